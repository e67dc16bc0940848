"""No secret survives where text leaves the process; evidence does."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from targets.redact import REDACTED, redact_text, redact_value

CANARY = "C4naryPa55w0rdXYZ"

LEAKS = {
    "bearer": f"Authorization: Bearer {CANARY}",
    "bearer in curl": f"curl -H 'Authorization: Bearer {CANARY}' https://x",
    "bearer in a log": f'req headers: "Authorization":"Bearer {CANARY}"',
    "cookie": f"Set-Cookie: session={CANARY}; path=/",
    "jwt": f"got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ{CANARY}.sig-{CANARY} from it",
    "kubeadm join": "kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef",
    "bootstrap token": "the token abcdef.0123456789abcdef has expired",
    "client key": f"    client-key-data: {CANARY}==",
    "kubeconfig token": f"users:\n- name: u\n  user:\n    token: {CANARY}\n",
    "pem": f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\nAAAA\n-----END RSA PRIVATE KEY-----",
    "pem on one line": f'"key": "-----BEGIN PRIVATE KEY-----\\n{CANARY}\\n-----END PRIVATE KEY-----\\n"',
    "pem cut": f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n",
    "variable": f"set DB_PASSWORD={CANARY}",
    "variable, key": f"AWS_KEY_ID={CANARY} x",
    "pod env": f'{{"name": "API_TOKEN", "value": "{CANARY}"}}',
    "pod env, yaml": f"- name: MY_SECRET\n  value: {CANARY}\n",
    "pod env, quoted json": f'{{\\"name\\":\\"DB_PASS\\",\\"value\\":\\"{CANARY}\\"}}',
    "containerd": f'[plugins."io.containerd.grpc.v1.cri".registry.configs."r".auth]\n  password = "{CANARY}"',
    "containerd auth": f'  auth = "{CANARY}"\n  identitytoken = "{CANARY}"',
    "docker config": f'{{"auths": {{"r": {{"auth": "{CANARY}"}}}}}}',
    "url": f"pulling https://user:{CANARY}@registry.example/x",
    "url, token only": f"https://{CANARY}@github.com/x.git",
    "secret, yaml": f"apiVersion: v1\ndata:\n  a: {CANARY}\n  b: |\n    {CANARY}\n    {CANARY}\nkind: Secret\n",
    "secret, json": f'{{"apiVersion":"v1","data":{{"a":"{CANARY}"}},"kind":"Secret"}}',
    "last applied": f'"{{\\"password\\":\\"{CANARY}\\"}}"',
    "flag": f"tool --password {CANARY} --other x",
    "powershell flag": f"New-Thing -Password '{CANARY}'",
    "quoted with escapes": f'password: "{CANARY}\\" {CANARY}"',
    "connection string": f"Server=x;User=y;Password={CANARY};Timeout=3",
}


@pytest.mark.parametrize("name", LEAKS)
def test_secrets_go_and_a_second_time_changes_nothing(name: str) -> None:
    once = redact_text("before\n" + LEAKS[name] + "\nafter 123\n")
    assert CANARY not in once and "0123456789abcdef" not in once
    assert REDACTED in once
    assert once.startswith("before\n") and once.endswith("\nafter 123\n")
    assert redact_text(once) == once


@pytest.mark.parametrize(
    "evidence",
    [
        "secretName: my-tls\nsecretKeyRef:\n  name: x\nimagePullSecrets: [{name: r}]",
        "serviceAccountTokenPath: /var/run\ntokenExpirationSeconds: 3607",
        "--discovery-token-ca-cert-hash sha256:abcdef0123456789",
        "certificate-authority-data: LS0tLS1CRUdJTg==",
        "basic authentication failed: the key was not found; keyboard layout 409",
        "System.Core, Version=4.0.0.0, PublicKeyToken=b77a5c561934e089",
        "token: null\npassword: ''\nautomountServiceAccountToken: false",
        r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\kubelet",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "failed to create pod sandbox: hcnCreateEndpoint failed in Win32: 0x803b0013",
        "https://mcr.microsoft.com/oss/kubernetes/pause:3.9",
        "sha256:8a4a1d5f; kernel32.dll; Microsoft.PowerShell.Commands",
        "data:\n  net-conf.json: x\nkind: ConfigMap\n",
    ],
)
def test_evidence_stays(evidence: str) -> None:
    assert redact_text(evidence) is evidence or redact_text(evidence) == evidence


class Env(msgspec.Struct, frozen=True):
    name: str
    value: str


class Pod(msgspec.Struct, frozen=True):
    name: str
    env: tuple[Env, ...] = ()


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": CANARY}, "stringData": {"b": CANARY}},
        [{"name": "MY_KEY", "value": CANARY}],
        {"users": [{"user": {"token": CANARY, "client-key-data": CANARY, "password": CANARY}}]},
        {"token": [CANARY, CANARY]},
        {"deep": [{"log": f"Authorization: Bearer {CANARY}"}]},
        {"DATABASE_KEY_1": CANARY},
        ("x", f"password={CANARY}"),
        f"password={CANARY}".encode(),
        Pod("p", (Env("DB_PASSWORD", CANARY),)),
    ],
)
def test_values_are_redacted_wherever_they_stand(value: Any) -> None:
    once = redact_value(value)
    assert CANARY not in repr(once)
    assert type(once) is type(value)
    assert redact_value(once) == once


def test_values_without_a_secret_come_back_as_they_are() -> None:
    value = {
        "name": "web",
        "items": [1, None, True, {"key": 3, "data": {"a": "b"}}],
        "pod": Pod("p", (Env("A", "b"),)),
    }
    assert redact_value(value) is value


@pytest.mark.parametrize(
    "hostile",
    [
        "key" * 30_000,
        "PASS" * 20_000,
        "a." * 30_000 + "token",
        "x-" * 30_000 + "token",
        "name: " + "key" * 30_000,
        'password="' + '\\"' * 30_000,
        "-----BEGIN PRIVATE KEY-----" * 3000,
        "data:\n" + " a: b\n" * 10_000 + "kind: Secret",
        '"data":{' * 10_000 + '"kind": "Secret"',
        "token x://" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_hostile_text_costs_linear_time(hostile: str) -> None:
    started = time.perf_counter()
    redact_text(hostile)
    assert time.perf_counter() - started < 3
