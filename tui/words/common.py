"""Options and manners that several words share."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from facts.answers import Progress
from facts.fact import Fact
from facts.session import Session
from targets.errors import TargetError
from tui.opening import Opened, Options, open_session, unknown_nodes
from tui.words import complete

if TYPE_CHECKING:
    from facts.cluster.nodes import Nodes

C = TypeVar("C", bound=Callable[..., Any])


class FileName(click.Path):
    """The name of a file. What is wrong with the file is said where it is opened, with the fix."""

    def __init__(self) -> None:
        super().__init__(readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value) and param is not None:
            raise TargetError(f"{param.opts[0]} is given an empty name.", "Name a file, or leave it out.")
        return super().convert(value, param, ctx)


def file_option(name: str, **more: Any) -> Callable[[C], C]:
    """An option that names a file."""
    return click.option(name, type=FileName(), metavar="FILE", **more)


def cluster_options(command: C) -> C:
    """--kubeconfig, --context, --config, --node, --open."""
    command = file_option("--open", help="Judge a saved recording instead of a cluster.")(command)
    return where_options(nodes_option("Only this Windows node. May be repeated.")(command))


def where_options(command: C) -> C:
    """--kubeconfig, --context, --config."""
    for option in reversed(
        [
            file_option(
                "--kubeconfig",
                help="Kubeconfig file. Default: $KUBECONFIG, then ~/.kube/config, then the pod's account.",
            ),
            click.option(
                "--context",
                metavar="NAME",
                help="Context of the kubeconfig. Default: its current one.",
                shell_complete=complete.contexts,
            ),
            click.option(
                "--config",
                default="",
                metavar="FILE",
                help="How Windows nodes are reached (config.toml). Default: the one `kwinnow where` names.",
            ),
        ]
    ):
        command = option(command)
    return command


def nodes_option(text: str) -> Callable[[C], C]:
    """--node, with `text` as its help."""
    return click.option("--node", "nodes", multiple=True, metavar="NODE", help=text)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
probe_option = click.option(
    "--probe",
    is_flag=True,
    help="Also try connections from the Windows nodes: to node ports, ClusterIPs and pods of a few Services.",
)


def options_from(given: dict[str, Any], save: Path | None = None) -> Options:
    """Options out of a command's keyword arguments."""
    probe = bool(given.get("probe"))
    if probe and given["open"]:
        raise click.UsageError(
            "From a recording nothing can be tried; leave --probe out: what was tried is in it."
        )
    live = {"--kubeconfig": given["kubeconfig"], "--context": given["context"], "--save": save}
    idle = [option for option, value in live.items() if value]
    if given["open"] and idle:
        raise click.UsageError(
            f"A recording is judged as it was made: leave out {' and '.join(idle)}, or --open to ask the cluster."
        )
    return Options(
        given["kubeconfig"],
        given["context"],
        given["config"],
        tuple(given["nodes"]),
        given["open"],
        save,
        probe,
    )


@contextmanager
def session_for(options: Options) -> Iterator[Opened]:
    """An open session; warnings told on stderr; closed at the end, and stopped when interrupted."""
    from targets.clean import clean

    held = open_session(options)
    try:
        for warning in held.warnings:
            click.echo(f"kwinnow: {clean(warning)}", err=True)
        yield held
    except KeyboardInterrupt:
        held.session.cancel()
        raise
    finally:
        held.close()


def gather(session: Session, facts: Iterable[type[Fact]]) -> None:
    """Ask, with progress on stderr where that is a terminal. Names that nobody knows are an error."""
    wanted = list(facts)
    if not sys.stderr.isatty():
        session.gather(wanted)
    else:
        from rich.console import Console
        from rich.text import Text

        from targets.clean import clean_line

        lock = threading.Lock()
        counts: dict[str, tuple[int, int]] = {}
        with Console(stderr=True).status("asking the cluster") as status:

            def watch(progress: Progress) -> None:
                with lock:
                    counts[progress.node or "cluster"] = (progress.done, progress.total)
                    text = "  ".join(
                        f"{name} {done}/{total}" for name, (done, total) in list(counts.items())[:6]
                    )
                more = f"  … {len(counts)} in all" if len(counts) > 6 else ""
                status.update(Text(clean_line(f"asking  {text}{more}")))  # a string would be read as markup

            session.gather(wanted, watch)
    tell_missing_rights(session)
    tell_flows(session)
    error = unknown_nodes(session)
    if error is not None:
        raise error


def tell_no_windows(session: Session) -> None:
    """Say on stderr that nothing of Windows nodes can be told, because there are none."""
    from checks.engine import NO_WINDOWS, no_windows

    if no_windows(session):
        click.echo(f"kwinnow: {NO_WINDOWS} Only the cluster itself was looked at.", err=True)


def known_nodes(session: Session) -> Nodes:
    """The nodes. Where they could not be listed, the TargetError that says why: nothing can be told of any."""
    from facts.cluster.nodes import Nodes
    from facts.session import unlisted

    value = session.get(Nodes)
    if isinstance(value, Nodes):
        return value
    failed = unlisted(value)
    error = TargetError(failed.why, failed.hint)
    error.kind = failed.kind
    raise error


def tell_missing_rights(session: Session) -> None:
    """Name on stderr what this user may not ask: what depends on it will be unknown."""
    from facts.cluster.control_plane import Rights
    from targets.clean import clean_line

    value = session.get(Rights)
    if isinstance(value, Rights) and value.missing:
        sure = (
            "The API server's list of rights is incomplete; perhaps missing"
            if value.incomplete
            else "Missing rights"
        )
        click.echo(clean_line(f"kwinnow: {sure}: {', '.join(map(str, value.missing))}."), err=True)


def tell_flows(session: Session) -> None:
    """Say on stderr what was tried because somebody wished it, and what was left out."""
    from facts.derived.flow_plan import FlowPlan
    from facts.node.probes import FlowProbes
    from targets.clean import clean_line

    answers = {node: session.get(FlowProbes, node) for node in session.windows_nodes()}
    tried = {node: value for node, value in answers.items() if isinstance(value, FlowProbes)}
    if not tried:
        return
    count = sum(len(value.flows) for value in tried.values())
    names = ", ".join(list(tried)[:6])
    click.echo(clean_line(f"kwinnow: {count} connections tried from {names}."), err=True)
    plans = (session.get(FlowPlan, node) for node in tried)
    left = dict.fromkeys(out for plan in plans if isinstance(plan, FlowPlan) for out in plan.left_out)
    if left:
        click.echo(clean_line(f"kwinnow: Not tried: {'; '.join(left)}."), err=True)


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    click.echo(text)
