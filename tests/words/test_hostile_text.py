"""Text of nodes, pods and servers is printed and never obeyed: no control sequence, direction mark or markup gets out.

The canary stands in every name, message, reason, hint and error of a recording, and in files that a person named.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from facts.answers import Progress
from facts.examples import FLANNEL_2022, path_of
from facts.fact import Fact
from facts.session import Session
from tui import cli
from tui.opening import asks
from tui.words import common

CANARY = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x1b\\\x1b[31m\x9b2J[bold]loud[/bold][/]\u202egnp\u2066\r\x08\x00\u2028"
HARMLESS = "[bold]loud[/bold][/]"
# Every control character but tab and line feed, C1, DEL, and what turns the direction of writing.
RAW = {
    *map(chr, range(32)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028",
} - {
    "\n",
    "\t",
}
Said = tuple[str, str, int]
Say = Callable[..., Said]

# Fields of objects and answers that somebody else has written, and that no rule compares as a whole.
WRITTEN = {"message", "reason", "why", "hint", "what", "image", "osImage", "product_name", "evaluationError"}
WIN_1 = f"win-1{CANARY}"


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run `kwinnow WORDS` as its entry point does, its output as a terminal gets it: click strips nothing."""
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["kwinnow", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return out, err, ended.value.code

    return run


def leaks(text: str) -> set[str]:
    return RAW & set(text)


def hostile(value: Any, key: str = "", parent: str = "") -> Any:
    """`value` with the canary in names of pods, in names and messages of others, and in win-1's name wherever it is."""
    match value:
        case dict():
            return {hostile_name(k): hostile(v, k, key) for k, v in value.items()}
        case list():
            return [hostile(v, key, parent) for v in value]
        case str() if key in WRITTEN or (
            key == "name" and parent == "metadata" and not value.startswith("win-")
        ):
            return value + CANARY
        case str():
            return hostile_name(value)
    return value


def hostile_name(text: str) -> str:
    return WIN_1 if text == "win-1" else text


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy cluster whose texts are hostile, one node out of reach, one question refused."""
    header, *lines = [
        json.loads(line) for line in gzip.decompress(path_of(FLANNEL_2022).read_bytes()).splitlines()
    ]
    lines = [hostile(line) for line in lines]
    for line in lines:
        if line["node"] == "win-2":
            failed = {"kind": "unreachable", "why": f"no{CANARY}", "hint": f"try{CANARY}"}
            if line["ask"] == "access":
                attempt = failed | {
                    "way": "winrm",
                    "address": f"h{CANARY}",
                    "stage": "connect",
                    "code": "refused",
                }
                line["value"] = {"attempts": [attempt]}
            else:
                line["value"] = {"failed": failed}
        if line["ask"].startswith(
            ("list /api/v1/services", "get /api/v1/namespaces/kube-system/configmaps/coredns")
        ):
            line["value"] = None
            line["error"] = {"kind": "permission-denied", "what": f"no{CANARY}", "hint": f"ask{CANARY}"}
    file = tmp_path_factory.mktemp("hostile") / "hostile.kwr"
    header["context"] += CANARY
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, [header, *lines])).encode()))
    return file


@pytest.mark.parametrize("words", [("nodes",), ("check",), ("why", WIN_1), ("why", "win-2"), ("facts",)])
def test_words_print_hostile_text_and_do_not_obey_it(
    say: Say, recording: Path, words: tuple[str, ...]
) -> None:
    out, err, _ = say(*words, "--open", str(recording))
    assert HARMLESS in out, "the canary was not printed at all: this proves nothing"
    assert (leaks(out), leaks(err)) == (set(), set())


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--node", f"win{CANARY}", "--open", "RECORDING"),
        ("check", "--only", f"cni{CANARY}"),
        ("check", "--open", f"no-such{CANARY.translate({0: None})}"),
        ("facts", f"os{CANARY}"),
        ("checks", "show", f"cni{CANARY}"),
        ("fix", f"cni{CANARY}", "--node", "win-1"),
        (f"word{CANARY}",),
        ("lab", "--plant", f"cni{CANARY}", "--", "true"),
        ("check", "--kubeconfig", "KUBECONFIG", "--context", f"prod{CANARY}"),
        ("check", "--kubeconfig", "KUBECONFIG"),
        ("nodes", "--kubeconfig", "KUBECONFIG", "--context", "good", "--config", "CONFIG"),
    ],
    ids=lambda words: " ".join(words[:2]).partition("\x1b")[0],
)
def test_errors_are_harmless(say: Say, recording: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    canary = json.dumps(CANARY)[1:-1]
    kubeconfig, config = tmp_path / "kubeconfig", tmp_path / "config.toml"
    kubeconfig.write_text(
        f'{{"current-context": "c{canary}", "contexts": [{{"name": "x{canary}", "context": {{"cluster": "c"}}}}, '
        '{"name": "good", "context": {"cluster": "c", "user": "u"}}], '
        '"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}], '
        '"users": [{"name": "u", "user": {}}]}'
    )
    config.write_text(f'[[nodes]]\nmatch = "*"\ntransport = "basic{canary}"\n', "utf-8")
    named = {"RECORDING": recording, "KUBECONFIG": kubeconfig, "CONFIG": config}
    out, err, code = say(*(str(named.get(word, word)) for word in words))
    assert code != 0
    assert "[bold]loud" in err, "the canary was not printed at all: this proves nothing"
    assert (leaks(out), leaks(err)) == (set(), set())


class Terminal:
    """A standard error that says it is a terminal, and keeps what it is told."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


class Told(Session):
    """A session that only tells of progress."""

    def __init__(self) -> None:
        pass

    def gather(self, facts: Iterable[type[Fact]], watch: Any = None, **_: Any) -> None:  # type: ignore[override]
        watch(Progress(f"win[/nope]{CANARY}", "os", 1, 2))

    def get(self, fact: type[Fact], node: str = "") -> Any:
        return None

    def windows_nodes(self) -> list[str]:
        return []

    def missing(self) -> list[str]:
        return []


def test_progress_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's name is no markup (Rich would raise at a tag that is never opened) and moves no cursor."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    common.gather(Told(), [])
    assert "win[/nope][bold]loud" in terminal.text
    assert "owned" not in terminal.text and "\u202e" not in terminal.text


def test_the_prompt_for_a_password_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's name comes from a file."""
    shown: list[str] = []

    def prompt(text: str) -> str:
        shown.append(text)
        return "secret"

    monkeypatch.setattr("click.termui.hidden_prompt_func", prompt)
    assert asks(f"CORP\\me{CANARY}") == "secret"
    assert HARMLESS in shown[0] and not leaks(shown[0])
