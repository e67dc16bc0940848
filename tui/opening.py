"""From options to a session: a live cluster with its nodes, or a recording."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from targets.clean import clean_line
from targets.errors import TargetError

# The wires are imported where they are opened: `--help` and the console's first paint wait for none of them.
if TYPE_CHECKING:
    from facts.session import Session
    from targets.config import Config
    from targets.configured_ways import ConfiguredWays
    from targets.recording import Recorder

Prompt = Callable[[str], str]


@dataclass(frozen=True)
class Options:
    """What every command that looks at a cluster takes."""

    kubeconfig: Path | None = None
    context: str | None = None
    config: str = ""
    nodes: tuple[str, ...] = ()
    open: Path | None = None
    save: Path | None = None
    probe: bool = False  # also try connections to Services from the Windows nodes


@dataclass
class Opened:
    """A session with all that belongs to it. Close it."""

    session: Session
    options: Options
    config: Config | None = None
    ways: ConfiguredWays | None = None
    recorder: Recorder | None = None
    warnings: list[str] = field(default_factory=list)
    doubtful: bool = False  # a recording of which a part is lost: nothing proves that all is well

    @property
    def recorded(self) -> bool:
        """Nobody can be asked or mended: this is a recording."""
        return self.options.open is not None

    def close(self) -> None:
        if self.recorder is not None:
            self.recorder.close()


def asks(user: str) -> str:
    """A password from the terminal. Only called where standard input is one."""
    import click

    return str(click.prompt(clean_line(f"Password of {user}"), hide_input=True, err=True))


def open_session(options: Options, prompt: Prompt | None = None) -> Opened:
    """Open what the options name. Raises TargetError for what is wrong with kubeconfig, configuration or recording.

    Nothing is asked yet.
    """
    from facts.access import Wishes
    from facts.recorded import RecordingNodes, opened
    from targets.recording import Recorder, Recording, RecordingCluster

    if options.open is not None:
        recording = Recording(options.open)
        warnings = [recording.damage] if recording.damage else []
        session = opened(recording, only=options.nodes)
        return Opened(session, options, warnings=warnings, doubtful=bool(recording.damage))
    from facts.collector.source import LiveNodes, NodeSource
    from facts.session import Session
    from targets.cluster import open_cluster
    from targets.config import load as load_config
    from targets.configured_ways import ConfiguredWays
    from targets.passwords import Passwords
    from targets.target import ClusterTarget, CommandLog

    log = CommandLog()
    config = load_config(options.config)
    cluster: ClusterTarget = open_cluster(options.kubeconfig, options.context, log)
    passwords = Passwords(prompt=prompt or (asks if sys.stdin.isatty() else None))
    ways = ConfiguredWays(config, passwords, log)
    nodes: NodeSource = LiveNodes(ways)
    recorder = None
    if options.save is not None:
        recorder = Recorder(options.save, cluster.context, cluster.server)
        cluster, nodes = RecordingCluster(cluster, recorder), RecordingNodes(nodes, recorder)
    session = Session(cluster, nodes, only=options.nodes, log=log, node_seconds=config.node_seconds)
    session.wish(Wishes(flows=options.probe))
    return Opened(session, options, config, ways, recorder)


def unknown_nodes(session: Session) -> TargetError | None:
    """The error for names that a person typed and the cluster does not have."""
    missing = session.missing()
    if not missing or (not session.windows_nodes() and not _knows_nodes(session)):
        return None
    import difflib

    from facts.cluster.nodes import Nodes

    value = session.get(Nodes)
    known = [n.name for n in value.windows] if isinstance(value, Nodes) else []
    typed = clean_line(missing[0])
    near = difflib.get_close_matches(typed, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"Windows nodes: {', '.join(known) or 'none'}."
    if typed != missing[0]:  # on screen it would look like a name that the cluster has
        return TargetError(f"The name {missing[0]!a} holds characters that no node's name can have.", hint)
    if isinstance(value, Nodes) and typed in (n.name for n in value.linux):
        what = f"{typed} is a node of this cluster and runs Linux; kwinnow looks into Windows nodes."
        return TargetError(what, f"Windows nodes: {', '.join(known) or 'none'}.")
    return TargetError(f"The cluster has no Windows node {typed}.", hint)


def _knows_nodes(session: Session) -> bool:
    from facts.cluster.nodes import Nodes

    return isinstance(session.get(Nodes), Nodes)
