"""What goes wrong as a whole is said in the console, with what can be done about it; what is known stays."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from consolekit import console, judged, screen_text, session_with, until
from rich.text import Text

from facts.session import Session
from targets.errors import CredentialsExpired, TargetError, Unreachable
from targets.target import ClusterTarget
from tui.app import KwinnowApp
from tui.opening import Opened, Options, unknown_nodes
from tui.panes.table import Column, Row, Table
from tui.screens.fleet import FleetScreen
from tui.screens.overlays import ChooseScreen, PasswordScreen, ReaderScreen

T = TypeVar("T")
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: lab
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
contexts:
- {name: lab, context: {cluster: c, user: u}}
- {name: "prod[red]", context: {cluster: c, user: u}}
"""


def words(app: KwinnowApp) -> str:
    """The screen's text with line breaks taken out."""
    return " ".join(screen_text(app).split())


def failing(error: Exception) -> KwinnowApp:
    def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
        raise error

    return KwinnowApp(Options(), opening)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_an_expired_credential_does_not_look_like_an_empty_cluster(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = failing(
            CredentialsExpired(
                "The token of [b]user u[/b] has expired.", "Log in again with `az aks get-credentials`."
            )
        )
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "The token of [b]user u[/b] has expired." in words(app))
            assert "Log in again with `az aks get-credentials`." in words(app)
            assert "r tries again" in words(app) and "Waiting for the list" not in words(app)

    asyncio.run(run())


def test_what_is_tried_again_may_work() -> None:
    async def run() -> None:
        session = session_with()
        state = {"fail": True}

        def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
            if state["fail"]:
                raise Unreachable("No connection.", "Start the VPN.")
            return Opened(session, options)

        app = KwinnowApp(Options(), opening)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: "Start the VPN." in words(app))
            state["fail"] = False
            await until(pilot, lambda: app.work is not None and not app.work.running)
            await pilot.press("r")
            await judged(pilot, app)
            assert "win-1" in words(app) and "Start the VPN." not in words(app)

    asyncio.run(run())


def real(tmp_path: Path, **options: object) -> KwinnowApp:
    """A console that opens what the options name, as the command does."""
    return KwinnowApp(Options(config=str(tmp_path / "none.toml"), **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "context", "told"),
    [
        (None, None, "does not exist"),
        ("", None, "is empty"),
        ("{", None, "is not YAML"),
        (KUBECONFIG, "lap", "Did you mean “lab”?"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(
    tmp_path: Path, text: str | None, context: str | None, told: str
) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    (tmp_path / "none.toml").write_text("")

    async def run() -> None:
        app = real(tmp_path, kubeconfig=file, context=context)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: told in words(app))
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, ReaderScreen))

    asyncio.run(run())


def test_a_recording_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x.gz"
    file.write_bytes(gzip.compress(b"hello"))

    async def run() -> None:
        app = KwinnowApp(Options(open=file))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "is not a recording of kwinnow" in words(app))

    asyncio.run(run())


class Gone:
    """A cluster that a test can take away."""

    def __init__(self, cluster: ClusterTarget) -> None:
        self._cluster = cluster
        self.gone = False
        self.context, self.server = cluster.context, cluster.server

    def _check(self) -> None:
        if self.gone:
            raise Unreachable("The API server at https://lab does not answer.", "Is the tunnel up?")

    def get(self, path: str, as_type: type[T]) -> T:
        self._check()
        return self._cluster.get(path, as_type)

    def list(self, path: str, item: type[T], *, params: dict[str, str] | None = None) -> list[T]:
        self._check()
        return self._cluster.list(path, item, params=params)

    def text(self, path: str, *, params: dict[str, str] | None = None, limit: int = 1 << 20) -> str:
        self._check()
        return self._cluster.text(path, params=params, limit=limit)

    def create(self, path: str, body: object, as_type: type[T]) -> T:
        self._check()
        return self._cluster.create(path, body, as_type)


def test_an_api_server_that_goes_away_takes_nothing_off_the_screen() -> None:
    async def run() -> None:
        from facts.examples import FLANNEL_2022, path_of
        from facts.recorded import opened
        from targets.recording import Recording

        recorded = opened(Recording(path_of(FLANNEL_2022)))
        cluster = Gone(recorded.cluster)
        app = console(session=Session(cluster, recorded.nodes, now=recorded._recorded_now))
        async with app.run_test(size=(120, 40)) as pilot:
            await judged(pilot, app)
            before = [r.key for r in app.screen.query_one(Table).rows]
            cluster.gone = True
            await pilot.press("r")
            await until(pilot, lambda: "The API server at https://lab does not answer." in words(app))
            await until(pilot, lambda: app.work is not None and not app.work.running)
            assert "Is the tunnel up?" in words(app) and "What is shown is from" in words(app)
            assert [r.key for r in app.screen.query_one(Table).rows] == before
            assert "✔ Ready" in words(app)
            cluster.gone = False
            await pilot.press("r")
            await judged(pilot, app)
            assert "does not answer" not in words(app)

    asyncio.run(run())


def test_contexts_are_listed_and_another_one_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    config = tmp_path / "config.toml"
    config.write_text('[contexts."prod[red]"]\nread_only = true\n')
    opened_with: list[Options] = []

    async def run() -> None:
        def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
            opened_with.append(options)
            return Opened(session_with(), options)

        app = KwinnowApp(Options(kubeconfig=file, config=str(config)), opening)
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            await pilot.press("f", "c")
            await until(pilot, lambda: isinstance(app.screen, ChooseScreen))
            assert "prod[red] ⊘ read-only" in screen_text(app)
            await pilot.press("j", "enter")
            await until(pilot, lambda: len(opened_with) == 2)
            await judged(pilot, app)
            assert opened_with[1].context == "prod[red]"
            assert isinstance(app.screen, FleetScreen)

    asyncio.run(run())


def test_the_list_of_contexts_begins_at_the_one_that_is_looked_at() -> None:
    async def run() -> None:
        app, picked = console(), list[str]()
        rows = [Row(name, (Text(name),)) for name in ("first", "here", "last")]
        async with app.run_test(size=(80, 24)) as pilot:
            await judged(pilot, app)
            await app.push_screen(ChooseScreen("Contexts", (Column(""),), rows, picked.append, at="here"))
            await pilot.press("enter")
            await until(pilot, lambda: picked == ["here"])

    asyncio.run(run())


@pytest.mark.parametrize(("typed", "given"), [("s3cret", "s3cret"), (None, "")])
def test_a_password_is_asked_for_in_the_console(typed: str | None, given: str) -> None:
    got: list[str] = []

    async def run() -> None:
        def opening(options: Options, prompt: Callable[[str], str]) -> Opened:
            got.append(prompt("CORP\\[b]admin"))
            return Opened(session_with(), options)

        app = KwinnowApp(Options(), opening)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: isinstance(app.screen, PasswordScreen))
            await until(pilot, lambda: "CORP\\[b]admin" in screen_text(app))
            await pilot.press(*(typed or ""))
            assert "s3cret" not in screen_text(app)
            await pilot.press("enter" if typed else "escape")
            await judged(pilot, app)
            assert got == [given]

    asyncio.run(run())


def test_a_fault_of_ours_is_told_and_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    async def run() -> None:
        app = failing(ZeroDivisionError("ours"))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "kwinnow itself broke off." in words(app))
            assert "console.log" in words(app).replace(" ", "")

    asyncio.run(run())


def test_target_errors_keep_both_halves() -> None:
    assert str(TargetError("what.", "hint.")) == "what. hint."


def test_a_name_with_terminal_sequences_is_not_called_by_the_name_that_it_looks_like() -> None:
    session = session_with()
    session.only = ("win-1\x1b[31m",)
    error = unknown_nodes(session)
    assert error is not None and "\x1b" not in str(error) and "'win-1\\x1b[31m'" in error.what
    assert "no Windows node" not in error.what and error.hint == "Did you mean win-1?"
