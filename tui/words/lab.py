"""`kwinnow lab`: a practice cluster, with faults to plant, and commands run in it.

The only door from the product to `lab/`. What runs in the practice cluster runs in a process of its own and
reaches it over the network, as it would a real one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.places import state_folder
from tui.words.common import print_json

if TYPE_CHECKING:
    from lab.practice import Practice


def _scenarios(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    from lab.catalogue import catalogue

    return [name for name in catalogue()["scenarios"] if name.startswith(begun)]


def _plants(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
    from lab.catalogue import catalogue

    lists = catalogue()
    names = [entry["plant"] for kind in ("faults", "questions", "conditions") for entry in lists[kind]]
    return [name for name in names if name.startswith(begun)]


@click.command("lab", context_settings={"ignore_unknown_options": False})
@click.option(
    "--scenario",
    metavar="NAME",
    help="Which healthy cluster to start from (see --list).",
    shell_complete=_scenarios,
)
@click.option(
    "--plant",
    "plants",
    multiple=True,
    metavar="F",
    help="Plant a fault, a question or a condition (see --list). May be repeated.",
    shell_complete=_plants,
)
@click.option(
    "--unplant",
    "unplants",
    multiple=True,
    metavar="F",
    help="Take what was planted out of the cluster that runs. May be repeated.",
    shell_complete=_plants,
)
@click.option(
    "--culture",
    default="en-US",
    type=click.Choice(["en-US", "de-DE", "zh-CN"]),
    help="Language of Windows.",
)
@click.option("--no-console", is_flag=True, help="Start the cluster, print how to reach it, and wait.")
@click.option("--list", "only_list", is_flag=True, help="List scenarios, faults, questions and conditions.")
@click.option("--json", "as_json", is_flag=True, help="With --list or --no-console: print JSON.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(
    scenario: str | None,
    plants: tuple[str, ...],
    unplants: tuple[str, ...],
    culture: str,
    no_console: bool,
    only_list: bool,
    as_json: bool,
    words: tuple[str, ...],
) -> int:
    """Start a cluster to practise on: one Linux and two Windows nodes that speak the real protocols.

    Without a COMMAND the console opens on it. A COMMAND finds kubeconfig, configuration and password in its
    environment; the cluster ends with it, with its exit code. While a practice cluster runs, --plant and
    --unplant in another shell change that one. What is simulated, and what is not, stands in the README.

    \b
    kwinnow lab --plant cni.flannel.vni                     the console, one fault planted
    kwinnow lab --plant cni.flannel.vni -- kwinnow check    one command
    """
    if as_json and (words or not (only_list or no_console)):
        raise click.UsageError("--json goes with --list or --no-console.")
    if only_list:
        return _list(as_json)
    if unplants or (plants and not words and not scenario and not no_console):
        from lab.control import ControlError

        try:
            if _changed(plants, unplants):
                return 0
        except ControlError as error:
            raise click.ClickException(str(error)) from error
    from lab.practice import practice_for
    from lab.windows.engine import find_pwsh

    engine = find_pwsh() is not None
    if not engine and culture != "en-US":
        why = "Without a PowerShell engine the nodes answer from recordings, which speak en-US."
        raise click.UsageError(f"{why} Install PowerShell 7 (pwsh), or leave --culture out.")
    try:
        practice = practice_for(list(plants), scenario or "", culture=culture)
    except (KeyError, ValueError) as error:
        raise click.UsageError(str(error.args[0])) from error
    if not engine:
        click.echo("No PowerShell engine was found: the nodes answer from recordings of one.", err=True)
    if practice.caveat:
        click.echo(practice.caveat, err=True)
    return _run(practice, list(words), no_console, as_json)


def _changed(plants: tuple[str, ...], unplants: tuple[str, ...]) -> bool:
    """Plant into the cluster that runs, or take out of it; False if none runs and there is only to plant."""
    from lab.control import plant_in_running, running
    from targets.clean import clean_line

    if not unplants and running() is None:
        return False
    done: dict[str, Any] = {}
    for name in unplants:
        done = plant_in_running(name, remove=True)
        click.echo(clean_line(f"taken out of {_named(done)}: {done['name']}"), err=True)
    for name in plants:
        done = plant_in_running(name)
        click.echo(clean_line(f"planted in {_named(done)}: {done['name']}"), err=True)
    if caveat := done.get("caveat"):
        click.echo(clean_line(caveat), err=True)
    return True


def _named(state: dict[str, Any]) -> str:
    """Which of the clusters that run this is: several may."""
    return f"the practice cluster {state['scenario']} at {state['server']}"


def _list(as_json: bool) -> int:
    from lab.catalogue import catalogue

    lists = catalogue()
    if as_json:
        print_json(lists)
        return 0
    for name, rows in lists.items():
        click.echo(f"{name}:")
        for row in rows:
            if isinstance(row, str):
                click.echo(f"  {row}")
            else:
                click.echo(f"  {row.get('plant', row['id']):44} {row.get('title') or row.get('ask')}")
    return 0


def _environment(practice: Practice) -> dict[str, str]:
    """What COMMAND gets: the cluster's own, and a PATH on which this kwinnow comes first."""
    found = practice.environment()
    ours = str(Path(sys.executable).parent)
    found["PATH"] = os.pathsep.join([ours, found.get("PATH", "")])
    # The practice cluster's folder goes when it ends; what a person copies or saves must outlive it.
    found["KWINNOW_KEPT"] = os.environ.get("KWINNOW_KEPT") or str(state_folder())
    found["KWINNOW_STATE"] = os.environ.get("KWINNOW_STATE") or str(practice.folder / "state")
    return found


def _run(practice: Practice, words: list[str], no_console: bool, as_json: bool) -> int:
    from lab.control import Control

    # A cluster that serves one command is that command's alone: nobody plants into it from another shell.
    control = nullcontext() if words else Control(practice)
    for name in ("SIGHUP", "SIGTERM"):  # a closed terminal must not leave keys and folders behind
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))
    with practice, control:
        environment = _environment(practice)
        if no_console and not words:
            return _wait(practice, environment, as_json)
        # Named, so that the commands that the console shows can be pasted into a shell that knows nothing of it.
        console = [sys.executable, "-m", "tui.cli", "console", "--kubeconfig", environment["KUBECONFIG"]]
        program = words or console
        found = shutil.which(program[0], path=environment["PATH"])
        if found is None:
            raise click.UsageError(f"There is no program {program[0]}.")
        return _child([found, *program[1:]], environment)


def _child(words: list[str], environment: dict[str, str]) -> int:
    """Run COMMAND on this terminal and end with its exit code. Ctrl-C is the command's business."""
    # A handler, not SIG_IGN: what is ignored stays ignored in the child.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.Popen(words, env=environment).wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return 128 - code if code < 0 else code


def _wait(practice: Practice, environment: dict[str, str], as_json: bool) -> int:
    """Say how to reach the cluster and wait for Ctrl-C or an end signal."""
    exported = {name: environment[name] for name in ("KUBECONFIG", "KWINNOW_CONFIG", "KWINNOW_PASSWORD")}
    if as_json:
        print_json(
            {
                "scenario": practice.scenario,
                "planted": list(practice.planted),
                "server": practice.url,
                "environment": exported,
            }
        )
    else:
        planted = ", ".join(practice.planted) or "nothing"
        click.echo(f"# practice cluster {practice.scenario}, planted: {planted}")
        for name, value in exported.items():
            click.echo(f"export {name}={value}")
    click.echo("# Ctrl-C ends it", err=True)
    sys.stdout.flush()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass
    return 0
