"""Credentials that a kubeconfig names, and the ways in which they are none."""

from __future__ import annotations

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from badserver import BadServer, Call, server_certificate
from testpki import Authority

from targets.credentials import Credentials, Login
from targets.deadline import Deadline
from targets.errors import CredentialsExpired, DeadlineExceeded, TargetError
from targets.exec_plugin import ExecStatus, mask
from targets.kubeconfig import Chosen, ClusterEntry, KubeconfigError, UserEntry
from targets.tls import make_context

CANARY = "canary-7c6b5a49382716053f4e"
V1 = "client.authentication.k8s.io/v1"


def chosen(folder: Path, **user: Any) -> Chosen:
    entry = msgspec.convert(user, UserEntry)
    return Chosen("prod", "default", "k", ClusterEntry(server="https://k:1"), folder, "ops", entry, folder)


def login(folder: Path, **user: Any) -> Login:
    return Credentials(chosen(folder, **user)).login(Deadline(10))


def script(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "plug-in"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"command": "./plug-in", "apiVersion": V1}}


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    made = login(tmp_path, token=CANARY)
    assert made.headers == {"Authorization": f"Bearer {CANARY}"}
    for thing in (made, chosen(tmp_path, token=CANARY), ExecStatus(token=CANARY)):
        assert CANARY not in repr(thing)


def test_basic_and_impersonation(tmp_path: Path) -> None:
    made = login(tmp_path, username="u", password="p:w", **{"as": "other"})
    assert made.headers["Authorization"] == "Basic " + base64.b64encode(b"u:p:w").decode()
    assert made.headers["Impersonate-User"] == "other"


def test_a_token_file_wins_over_a_token_and_is_read_again_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t").write_text("one\n")
    credentials = Credentials(chosen(tmp_path, token="zero", tokenFile="t"))
    assert credentials.login(Deadline(1)).headers["Authorization"] == "Bearer one"
    (tmp_path / "t").write_text("two\n")
    assert credentials.login(Deadline(1)).headers["Authorization"] == "Bearer one"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert credentials.login(Deadline(1)).headers["Authorization"] == "Bearer two"


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"tokenFile": "none"}, "token of user “ops”"),
        ({"token": "two\nlines"}, "characters that no token has"),
        (
            {"client-certificate-data": "%%%", "client-key-data": "eA=="},
            "client certificate of user “ops” is not base64",
        ),
        ({"client-certificate": "none.crt", "client-key": "none.key"}, "none.crt, does not exist"),
        ({"client-certificate-data": "eA=="}, "but not both"),
        ({"auth-provider": {"name": "azure"}}, "“azure” of user “ops” is not supported"),
        ({"auth-provider": {"name": "gcp"}}, "“gcp” of user “ops” is not supported"),
        (
            {
                "auth-provider": {
                    "name": "gcp",
                    "config": {"access-token": "x", "expiry": "2020-01-01T00:00:00Z"},
                }
            },
            "“gcp” of user “ops” is not supported",
        ),
    ],
)
def test_entries_that_cannot_be_used_are_named(tmp_path: Path, user: dict[str, Any], said: str) -> None:
    with pytest.raises(KubeconfigError) as caught:
        login(tmp_path, **user)
    assert said in caught.value.what.replace("data of the", "") and caught.value.hint


def test_certificates_that_do_not_fit_are_told_apart_from_good_ones(tmp_path: Path) -> None:
    authority = Authority.create()
    certificate, key = authority.issue("a")
    make_context(chosen(tmp_path), (certificate, key))
    encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
    for bad in ((certificate, authority.issue("b")[1]), (b"x", key), (certificate, encrypted)):
        with pytest.raises(KubeconfigError, match="client certificate of user “ops” cannot be used"):
            make_context(chosen(tmp_path), bad)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            f"echo 'no session, token={CANARY}' >&2; exit 3",
            CredentialsExpired,
            "exit code 3: no session, token=…",
        ),
        (f"echo {CANARY}", CredentialsExpired, "did not print an ExecCredential"),
        (
            f"""echo '{{"apiVersion":"{V1}","status":{{}}}}'""",
            CredentialsExpired,
            "neither token nor certificate",
        ),
        (
            f"""echo '{{"apiVersion":"x/v2","status":{{"token":"{CANARY}"}}}}'""",
            KubeconfigError,
            "answers as x/v2",
        ),
    ],
)
def test_a_plugin_that_fails_is_named_and_its_secrets_are_not(
    tmp_path: Path, text: str, kind: type[TargetError], said: str
) -> None:
    with pytest.raises(kind) as caught:
        login(tmp_path, **script(tmp_path, text))
    assert "plug-in” of user “ops”" in caught.value.what and said in caught.value.what
    assert caught.value.hint and CANARY not in str(caught.value)


def test_a_plugin_that_is_not_installed_says_how_to_get_it(tmp_path: Path) -> None:
    hint = "Install\n  it from example.org"
    with pytest.raises(KubeconfigError, match="is not installed") as caught:
        login(tmp_path, exec={"command": "no-such-plug-in-anywhere", "apiVersion": V1, "installHint": hint})
    assert caught.value.hint == "Install it from example.org"
    with pytest.raises(CredentialsExpired, match="wants to ask at the terminal"):
        login(tmp_path, exec={"command": "x", "apiVersion": V1, "interactiveMode": "Always"})


def test_a_plugin_that_hangs_meets_the_deadline(tmp_path: Path) -> None:
    user = script(tmp_path, "exec cat /dev/zero > /dev/null")
    with pytest.raises(CredentialsExpired, match="did not end in time"):
        Credentials(chosen(tmp_path, **user)).login(Deadline(0.3))


def test_a_plugin_gets_its_environment_and_is_run_again_when_its_token_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = f"""printf '{{"apiVersion":"{V1}","status":{{"token":"%s-%s",' "$PROFILE" "$1"
printf '"expirationTimestamp":"2100-01-01T00:00:00Z"}}}}'
echo x >> "{tmp_path}/runs"
"""
    user = script(tmp_path, answer)
    user["exec"] |= {"env": [{"name": "PROFILE", "value": "ops"}], "args": ["arg"]}
    credentials = Credentials(chosen(tmp_path, **user))
    assert credentials.login(Deadline(10)).headers["Authorization"] == "Bearer ops-arg"
    credentials.login(Deadline(10))
    assert (tmp_path / "runs").read_text() == "x\n"
    monkeypatch.setattr(time, "time", lambda: 4_102_444_800.0 - 10)  # 2100 less ten seconds
    credentials.login(Deadline(10))
    assert (tmp_path / "runs").read_text() == "x\nx\n"


def test_mask_leaves_words_and_takes_secrets() -> None:
    assert mask("Error: profile prod not found") == "Error: profile prod not found"
    assert mask("Authorization: Bearer abc.def") == "Authorization: Bearer …"
    assert mask("client_secret=hush now") == "client_secret=… now"
    assert CANARY not in mask(f"unexpected {CANARY}")


def jwt(expires: float) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'exp': expires})}.c2lnbmF0dXJl"


def test_an_oidc_provider_gives_its_token_and_a_dead_one_is_said_to_be(tmp_path: Path) -> None:
    token = jwt(time.time() + 3600)
    provider = {
        "name": "oidc",
        "config": {"id-token": token, "client-id": "kube", "idp-issuer-url": "https://i"},
    }
    assert login(tmp_path, **{"auth-provider": provider}).headers["Authorization"] == f"Bearer {token}"

    def garbage(call: Call) -> None:
        call.answer(200, b"no JSON")

    with BadServer(garbage) as issuer:
        dead = {
            "id-token": jwt(time.time() - 3600),
            "refresh-token": CANARY,
            "client-id": "kube",
            "idp-issuer-url": issuer.url,
        }
        with pytest.raises(
            CredentialsExpired, match="auth-provider “oidc” of user “ops” gave no token"
        ) as caught:
            login(tmp_path, **{"auth-provider": {"name": "oidc", "config": dead}})
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"id-token": 5},
        {"id-token": "a.W10.c"},  # claims that are a list
        {"id-token": jwt(0), "client-id": "kube", "idp-issuer-url": "http://127.0.0.1:1"},  # nobody listens
        {"id-token": jwt(0), "idp-certificate-authority-data": "%%%"},
        {
            "id-token": jwt(0),
            "idp-certificate-authority": "/nowhere",
            "idp-issuer-url": "https://127.0.0.1:1",
        },
        {"id-token": jwt(1e300)},
    ],
)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_oidc_provider_that_is_nonsense_is_a_sentence(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(CredentialsExpired, match="gave no token"):
        login(tmp_path, **{"auth-provider": {"name": "oidc", "config": config}})


def test_an_oidc_issuer_that_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    authority = Authority.create()
    config = {"id-token": jwt(0), "refresh-token": CANARY, "client-id": "kube"}
    vouched = {"idp-certificate-authority-data": base64.b64encode(authority.certificate).decode()}
    asked = []
    for more in ({}, vouched):
        with BadServer(
            lambda call: call.answer(200, b"{}"), tls=server_certificate(authority), folder=tmp_path
        ) as issuer:
            user = {
                "auth-provider": {"name": "oidc", "config": {**config, **more, "idp-issuer-url": issuer.url}}
            }
            with pytest.raises(CredentialsExpired, match="gave no token"):
                login(tmp_path, **user)
            asked.append(len(issuer.calls) > 0)
    assert asked == [False, True]


def test_an_oidc_issuer_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    with BadServer(lambda call: call.hang()) as issuer:
        config = {"id-token": jwt(0), "client-id": "kube", "idp-issuer-url": issuer.url}
        user = {"auth-provider": {"name": "oidc", "config": config}}
        with pytest.raises(DeadlineExceeded, match=r"within 0\.\d s"):
            Credentials(chosen(tmp_path, **user)).login(Deadline(0.8))
