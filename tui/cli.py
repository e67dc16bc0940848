"""The `kwinnow` command line. Words are loaded when they are used, so that `kwinnow --help` is quick."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import sys
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import click

from tui.exit_codes import ExitCode
from tui.output import OutputLost, give_up, watch_outputs

# word → (module, one line of help). The module has a click command called `command`.
WORDS: dict[str, tuple[str, str]] = {
    "console": ("tui.words.console", "Open the console (the default)."),
    "nodes": ("tui.words.nodes", "List the nodes, and how each Windows node is reached."),
    "facts": ("tui.words.facts", "Ask the cluster and its Windows nodes; print the typed answers."),
    "check": ("tui.words.check", "Run the checks; causes first."),
    "why": ("tui.words.why", "Walk the chain: why is this node not ready?"),
    "checks": ("tui.words.checks", "List the checks, or show one's help page."),
    "fix": ("tui.words.fix", "Mend what a check found, with an undo."),
    "lab": ("tui.words.lab", "Start a cluster to practise on."),
    "completion": ("tui.words.completion", "Print the script for shell completion."),
    "where": ("tui.words.where", "Print where the configuration and kwinnow's own files lie."),
    "version": ("tui.words.version", "Print the versions of kwinnow and Python."),
}
# Kinds of TargetError that say nothing about what was typed: the target could not tell.
NOT_TOLD = (
    "unreachable",
    "deadline",
    "permission-denied",
    "credentials",
    "malformed",
    "api-error",
    "not-found",
    "not-recorded",
    "broken",
)
OURS = ("tui", "playbooks", "checks", "facts", "targets")


class Words(click.Group):
    """The group of all words, each imported when it is needed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # `kwinnow --context prod` means the console, as `kwinnow` alone does.
        own = {name for option in self.get_params(ctx) for name in option.opts}
        first = args[0].partition("=")[0] if args else ""
        word = next((a for a in args if a in WORDS), None)
        if first == "--open" and word is None:
            args = ["console", *args]  # which knows what does not go with it
        elif first.startswith("--") and first not in own:
            if word is not None:
                raise click.UsageError(f"Write {args[0]} behind the command: kwinnow {word} {args[0]}", ctx)
            args = ["console", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(WORDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in WORDS:
            return None
        command = importlib.import_module(WORDS[name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(word, text) for word, (_, text) in WORDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        if args and args[0] not in WORDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], WORDS, 1)
            fix = f" Did you mean “{near[0]}”?" if near else f" There are: {', '.join(WORDS)}."
            raise click.UsageError(f"There is no command “{args[0]}”.{fix}", ctx)
        return super().resolve_command(ctx, args)


def version() -> str:
    try:
        return metadata.version("kwinnow")
    except metadata.PackageNotFoundError:
        return "0+unpackaged"


@click.group(
    cls=Words,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version(), "--version", "-V", prog_name="kwinnow")
@click.option(
    "--open",
    "recording",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Open the console on a saved recording.",
)
@click.pass_context
def main_group(ctx: click.Context, recording: Path | None) -> None:
    """Find out why a Windows node in a Kubernetes cluster does not work, see the proof, and mend it.

    Without a command the console opens; `kwinnow console --help` shows its options. To try all of it without a
    cluster of your own: kwinnow lab --plant cni.flannel.vni

    Exit codes: 0 healthy, 1 a finding of warn or error, 2 wrong usage, 3 nothing found but something could not
    be told, 74 the output or a recording could not be written, 130 interrupted.
    """
    if ctx.invoked_subcommand is None:
        console = importlib.import_module(WORDS["console"][0]).command
        ctx.exit(ctx.invoke(console, open=recording, kubeconfig=None, context=None, config="", nodes=()))
    if recording is not None:
        raise click.UsageError(
            f"Write --open behind the command: kwinnow {ctx.invoked_subcommand} --open {recording}."
        )


def shadowed() -> str:
    """A sentence on a package of another origin that stands in the place of one of ours; empty if all is well.

    Our packages are imported flat, which an application with an environment of its own may do.
    """
    here = Path(__file__).resolve().parents[1]
    for name in OURS:
        found = importlib.util.find_spec(name)
        origin = found.origin if found is not None else None
        if origin and Path(origin).resolve().parents[1] != here:
            return (
                f"The package {name} comes from {origin} and not from kwinnow ({here}). "
                "Install kwinnow in an environment of its own: pipx install kwinnow."
            )
    return ""


def main() -> NoReturn:
    """Entry point of `kwinnow` and of the plug-in `kubectl kwinnow`."""
    trouble = shadowed()
    if trouble:
        click.echo(f"kwinnow: {trouble}", err=True)
        sys.exit(ExitCode.USAGE)
    name = "kubectl kwinnow" if Path(sys.argv[0]).name.startswith("kubectl-") else "kwinnow"
    watch_outputs()
    try:
        code = _code(name)
    except OutputLost as lost:
        give_up(lost.name)
        if lost.name == "stdout":
            with contextlib.suppress(OutputLost):
                click.echo(f"kwinnow: The output could not be written: {lost.why}.", err=True)
        code = ExitCode.NOT_WRITTEN
    sys.exit(code)


def _code(name: str) -> int:
    """Run the word that was typed; what goes wrong is told on stderr."""
    from targets.clean import clean
    from targets.errors import TargetError

    try:
        code = main_group.main(prog_name=name, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("kwinnow: interrupted", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        click.echo(clean(said.getvalue()), nl=False, err=True)
        return ExitCode.USAGE
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit:
        # The reader of our output has gone (`| head`). click ends with 1 then, which would mean a finding.
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            return ExitCode.READER_GONE
        raise
    except KeyboardInterrupt:
        click.echo("kwinnow: interrupted", err=True)
        return ExitCode.INTERRUPTED
    except TargetError as error:
        click.echo(f"kwinnow: {clean(error.what)}", err=True)
        if error.hint:
            click.echo(f"         {clean(error.hint)}", err=True)
        return ExitCode.UNKNOWN if error.kind in NOT_TOLD else ExitCode.USAGE
    return code if isinstance(code, int) else ExitCode.HEALTHY


if __name__ == "__main__":
    main()
