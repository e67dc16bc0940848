"""config.toml: what it means, and one clear sentence for each way in which it can be wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from targets.config import Config, ConfigError, config_path, load, parse
from targets.deadline import NODE_SECONDS
from targets.errors import TargetError, Unreachable
from targets.target import NodeRef

FILE = Path("/etc/kwinnow/config.toml")
NODE = NodeRef("win-1", (("InternalIP", "10.0.1.21"), ("Hostname", "WIN-1")))


def config(text: str) -> Config:
    return parse(text, FILE)


def wrong(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        config(text)
    error = caught.value
    assert error.file == FILE and str(FILE) in error.what and error.hint
    assert error.stage == "config"
    return error


def test_the_first_entry_that_matches_is_used_and_defaults_fill_it() -> None:
    found = config(
        """
        [defaults]
        user = 'CORP\\kwinnow'
        connect_timeout = 2

        [[nodes]]
        match = ["lab-*", "WIN-1"]
        host = "{name}.corp.example"
        https = true
        fingerprint = "AB:"""
        + ":".join(["cd"] * 31)
        + """"
        password_command = ["pass", "show", "{user}"]

        [[nodes]]
        match = "*"
        user = '.\\Administrator'
        """
    )
    settings, entry = found.settings(NODE)
    peer = settings.peer
    assert (peer.address, peer.scheme, peer.user) == (
        "https://win-1.corp.example:5986",
        "ntlm",
        "CORP\\kwinnow",
    )
    assert settings.fingerprint == "ab" + "cd" * 31
    assert (settings.connect_timeout, settings.deadline) == (2.0, NODE_SECONDS)
    assert entry.password_command == ("pass", "show", "{user}")
    other, _ = found.settings(NodeRef("other", (("InternalIP", "10.0.1.22"),)))
    assert (other.peer.address, other.peer.user) == ("http://10.0.1.22:5985", ".\\Administrator")


@pytest.mark.parametrize(
    ("keys", "address", "scheme"),
    [
        ("user = 'u'", "http://10.0.1.21:5985", "ntlm"),
        ("user = 'u'\nport = 15985", "http://10.0.1.21:15985", "ntlm"),
        ("user = 'u'\ntransport = 'basic'", "https://10.0.1.21:5986", "basic"),
        ("user = 'u'\ntransport = 'basic'\nhttps = false", "http://10.0.1.21:5985", "basic"),
        ("transport = 'kerberos'", "http://WIN-1:5985", "kerberos"),
        (
            "transport = 'kerberos'\nhost = '{internal_ip}'\nkerberos_host = '{name}.x'",
            "http://10.0.1.21:5985",
            "kerberos",
        ),
        (
            "transport = 'certificate'\ncertificate_file = 'a'\nkey_file = 'b'",
            "https://10.0.1.21:5986",
            "certificate",
        ),
        ("user = 'u'\nhost = '[fd00::5]'", "http://[fd00::5]:5985", "ntlm"),
    ],
)
def test_defaults_follow_the_transport(keys: str, address: str, scheme: str) -> None:
    settings, _ = config(f"[[nodes]]\nmatch = '*'\n{keys}\n").settings(NODE)
    assert (settings.peer.address, settings.peer.scheme) == (address, scheme)


def test_a_node_without_an_entry_has_no_way() -> None:
    with pytest.raises(Unreachable) as caught:
        config("[[nodes]]\nmatch = 'lab-*'\nuser = 'u'\n").settings(NODE)
    assert (caught.value.stage, caught.value.code) == ("config", "no-way")
    assert "win-1" in caught.value.what and str(FILE) in caught.value.hint


def test_a_node_without_the_address_that_is_asked_for() -> None:
    with pytest.raises(Unreachable) as caught:
        config("[[nodes]]\nmatch = '*'\nuser = 'u'\n").settings(NodeRef("win-1"))
    assert (caught.value.stage, caught.value.code) == ("resolve", "name")
    assert "InternalIP" in caught.value.what and "{name}" in caught.value.hint


def test_contexts_have_a_colour_and_may_be_read_only() -> None:
    found = config('[contexts."prod/eu"]\ncolour = "red"\nread_only = true\n')
    assert (found.context("prod/eu").colour, found.context("prod/eu").read_only) == ("red", True)
    assert (found.context("other").colour, found.context("other").read_only) == ("", False)


ENTRY = "[[nodes]]\nmatch = '*'\nuser = 'u'\n"


@pytest.mark.parametrize(
    ("text", "key", "line", "said", "fix"),
    [
        (
            ENTRY + "\n[[nodes]]\nmatch = 'b'\nprot = 5985\n",
            "nodes[1].prot",
            7,
            "“prot”",
            "Did you mean “port”?",
        ),
        (ENTRY + "fingerprnt = ''\n", "nodes[0].fingerprnt", 4, "not a key", "“fingerprint”"),
        (ENTRY + "username = ''\n", "nodes[0].username", 4, "not a key", "“user”"),
        (ENTRY + "xyz = 1\n", "nodes[0].xyz", 4, "not a key", "There are ca_file"),
        ("[[node]]\nmatch = 'x'\n", "node", 1, "“node”", "Did you mean “nodes”?"),
        ("port = 1\n", "port", 1, "“port”", "under [[nodes]]"),
        ("[contexts.a]\ncolor = 'red'\n", "contexts.a.color", 2, "“color”", "“colour”"),
        (ENTRY + "port = '5985'\n", "nodes[0].port", 4, "must be a whole number, not text", "port = 5986"),
        (ENTRY + "https = 'yes'\n", "nodes[0].https", 4, "must be true or false, not text", "https = true"),
        (
            ENTRY + "deadline = true\n",
            "nodes[0].deadline",
            4,
            "must be a number (seconds), not true or false",
            "deadline = 10",
        ),
        (
            ENTRY + "password_command = 'pass x'\n",
            "nodes[0].password_command",
            4,
            "must be a list of texts",
            '["pass", "show"',
        ),
        ("[[nodes]]\nmatch = ['a', 1]\n", "nodes[0].match", 2, "list that holds a whole number", '"win-*"'),
        ("[contexts]\n'a b' = 'red'\n", "contexts.a b", 2, "“a b” must be a table", '[contexts."a b"]'),
        ("[contexts.a]\ncolour = '#12'\n", "contexts.a.colour", 2, "no colour", "#rrggbb"),
        ("[contexts.a]\ncolour = 'rde'\n", "contexts.a.colour", 2, "“rde”, which is no colour", "“red”"),
        ("[contexts.a]\ncolour = 'Dark Oragne'\n", "contexts.a.colour", 2, "no colour", "“darkorange”"),
        ("[contexts.a]\ncolour = 'ansi_red'\n", "contexts.a.colour", 2, "no colour", "#rrggbb"),
        ("[nodes]\nmatch = 'x'\n", "nodes", 1, "list of tables", "[[nodes]]"),
        ("[[nodes]]\nuser = 'u'\n", "nodes[0].match", 1, "no “match”", 'match = "*"'),
        (
            "[[nodes]]\nmatch = '^win-.*$'\n",
            "nodes[0].match",
            2,
            "no node name can match",
            "regular expressions",
        ),
        ("[[nodes]]\nmatch = 'win-[z-a]'\n", "nodes[0].match", 2, "empty range “z-a”", "lesser one first"),
        (
            "[[nodes]]\nmatch = ['ok', 'win-[12']\n",
            "nodes[0].match",
            2,
            "bracket that is not closed",
            "shell",
        ),
        ("[[nodes]]\nmatch = []\n", "nodes[0].match", 2, "no pattern", "match"),
        (ENTRY + "host = '{nam}.x'\n", "nodes[0].host", 4, "{nam}", "Did you mean “{name}”?"),
        (ENTRY + "host = '{name'\n", "nodes[0].host", 4, "braces", "{name}"),
        (ENTRY + "host = '{name.__class__}'\n", "nodes[0].host", 4, "braces", "{name}"),
        (ENTRY + "port = 0\n", "nodes[0].port", 4, "no port", "5986"),
        (ENTRY + "transport = 'kerberoz'\n", "nodes[0].transport", 4, "“kerberoz”", "“kerberos”"),
        (ENTRY + "fingerprint = '" + "ab" * 20 + "'\n", "nodes[0].fingerprint", 4, "SHA-1", "SHA-256"),
        (ENTRY + "proxy = 'ftp://x'\n", "nodes[0].proxy", 4, "no proxy", "socks5://"),
        (ENTRY + "deadline = 0\n", "nodes[0].deadline", 4, "no time", "seconds"),
        ("[[nodes]]\nmatch = '*'\n", "nodes[0].transport", 1, "needs a user", "user ="),
        (ENTRY + "transport = 'certificate'\n", "nodes[0].transport", 4, "certificate_file", "PEM"),
        (
            ENTRY + "transport = 'kerberos'\nhost = '{internal_ip}'\n",
            "nodes[0].host",
            5,
            "not an address",
            "{name}",
        ),
        (
            ENTRY + f"ca_file = 'x'\nfingerprint = '{'ab' * 32}'\n",
            "nodes[0].ca_file",
            4,
            "exclude each other",
            "Keep one",
        ),
        ("[defaults]\nmatch = '*'\n", "defaults.match", 2, "“match”", "There are"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_its_fix(
    text: str, key: str, line: int, said: str, fix: str
) -> None:
    error = wrong(text)
    assert (error.key, error.line) == (key, line)
    assert said in error.what and fix in error.hint


@pytest.mark.parametrize("where", ["", "[defaults]\n", ENTRY])
@pytest.mark.parametrize("key", ["password", "passwd", "Password"])
def test_a_password_is_refused_and_never_repeated(where: str, key: str) -> None:
    error = wrong(f"{where}{key} = 'C4nary-Pa55w0rd!'\n")
    assert "no password may stand in this file" in error.what
    assert "keyring" in error.hint and "C4nary" not in str(error) + repr(error)
    assert error.line is not None


def test_a_proxy_with_a_login_is_refused_and_never_repeated() -> None:
    error = wrong(ENTRY + "proxy = 'http://me:C4nary@proxy:3128'\n")
    assert "password" in error.what and "C4nary" not in str(error)


@pytest.mark.parametrize(
    ("text", "line", "fix"),
    [
        ("[[nodes]]\nmatch = '*'\nuser = \"CORP\\kwinnow\"\n", 3, "'single' ones keep backslashes"),
        ("[[nodes]]\nmatch = win-*\n", 2, "in quotes"),
        ("[[nodes\nmatch = '*'\n", 1, "in brackets: [defaults], [[nodes]]"),
        ("[defaults]\nport = 1\n[defaults]\n", 3, "stands once"),
        ("[[nodes]]\nmatch = 'a'\nmatch = 'b'", 3, "stands once"),
    ],
)
def test_text_that_is_not_toml_is_shown_with_its_line(text: str, line: int, fix: str) -> None:
    error = wrong(text)
    assert error.line == line and "not TOML" in error.what
    assert fix in error.hint


def test_the_file_is_the_users_or_the_one_that_is_named(tmp_path: Path) -> None:
    assert config_path("", {}).name == "config.toml" and "kwinnow" in str(config_path("", {}))
    assert config_path("", {"KWINNOW_CONFIG": "/a/b.toml"}) == Path("/a/b.toml")
    assert config_path("/c.toml", {"KWINNOW_CONFIG": "/a/b.toml"}) == Path("/c.toml")


def test_a_file_that_is_absent_unreadable_or_of_another_encoding(tmp_path: Path) -> None:
    absent = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match="does not exist"):
        load(str(absent), {})
    with pytest.raises(ConfigError, match="This is a folder") as folder:
        load(str(tmp_path), {})
    assert str(tmp_path / "config.toml") in folder.value.hint
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path / ("n" * 300)), {})
    utf16 = tmp_path / "utf16.toml"
    utf16.write_text("[defaults]\n", encoding="utf-16")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(str(utf16), {})
    bom = tmp_path / "bom.toml"
    bom.write_text("[defaults]\nuser = 'u'\n", encoding="utf-8-sig")
    assert load("", {"KWINNOW_CONFIG": str(bom)}).entries == ()


def test_without_a_file_nothing_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    found = load("", {})
    assert found.entries == ()
    with pytest.raises(TargetError):
        found.settings(NODE)


def test_reading_the_configuration_imports_neither_winrm_nor_kubernetes_nor_keyring() -> None:
    code = (
        "import sys, pkgutil, importlib, targets\n"
        "for one in pkgutil.iter_modules(targets.__path__): importlib.import_module('targets.' + one.name)\n"
        "print(sorted({'winrm', 'kubernetes', 'keyring', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_documentation_names_every_key() -> None:
    from targets.config_schema import CONTEXT_RULES, MATCH_RULES, PLACEHOLDERS, TRANSPORTS

    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    for word in [*MATCH_RULES, *CONTEXT_RULES, *TRANSPORTS, *(f"{{{name}}}" for name in PLACEHOLDERS)]:
        assert f"`{word}`" in text, word


def test_a_session_gives_a_node_the_longest_time_that_is_configured() -> None:
    assert parse(ENTRY, Path("c")).node_seconds == NODE_SECONDS
    assert parse(ENTRY + "deadline = 90\n", Path("c")).node_seconds == 90
    assert parse("[defaults]\ndeadline = 60\n" + ENTRY, Path("c")).node_seconds == 60
