"""Credential plug-ins of a kubeconfig (`users[].user.exec`): run one, and take its ExecCredential.

The official client's runner is not used: it writes to the terminal under the console, has no time limit and
swallows failures into a log line. Source of the exchange: "client-go credential plugins" in the Kubernetes
documentation (v1 and v1beta1).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import msgspec

from targets.deadline import Deadline
from targets.decoding import decoded
from targets.errors import CredentialsExpired
from targets.kubeconfig import Chosen, ExecEntry, KubeconfigError

LONGEST = 60.0  # seconds one run may take; a cloud's token command takes about 1 to 5

_SECRET_LIKE = re.compile(
    r"(?i)((?:token|secret|password|key)[\w.\"'-]*\s*[=:]\s*|bearer\s+)\S+|[A-Za-z0-9_\-+/=.]{24,}"
)


class ExecStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`status` of an ExecCredential: a token, or a certificate with its key (PEM), or both."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str = ""

    def __repr__(self) -> str:
        return "ExecStatus(…)"

    def expires(self) -> float | None:
        """Seconds since the epoch, or None if the plug-in does not say (or not legibly)."""
        try:
            return datetime.fromisoformat(self.expiration_timestamp).timestamp()
        except ValueError:
            return None


class _ExecCredential(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    status: ExecStatus | None = None


def run_plugin(chosen: Chosen, entry: ExecEntry, deadline: Deadline) -> ExecStatus:
    """Run the plug-in once. Its output is never shown, and of its stderr only a masked last line."""
    name = Path(entry.command).name
    label = f"The credential plug-in “{name}” of user “{chosen.user_name}”"
    if entry.interactive_mode == "Always":
        raise CredentialsExpired(
            f"{label} wants to ask at the terminal.", f"Log in with it once (`{name}`), or use another user."
        )
    environ = os.environ | {item.name: item.value for item in entry.env}
    environ["KUBERNETES_EXEC_INFO"] = json.dumps(_exec_info(chosen, entry))
    program = _find(chosen, entry, environ)
    if program is None:
        raise KubeconfigError(f"{label} is not installed.", _install(entry, name))
    try:
        done = subprocess.run(
            [program, *entry.args],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline.left(LONGEST),
            check=False,
        )
    except subprocess.TimeoutExpired:
        hint = f"Run `kubectl --context {chosen.context} get --raw /version` to see what it waits for."
        raise CredentialsExpired(f"{label} did not end in time.", hint) from None
    except OSError as error:
        raise KubeconfigError(f"{label} cannot be run: {error.strerror}.", _install(entry, name)) from None
    if done.returncode != 0:
        said = _last_line(done.stderr)
        because = f": {said}" if said else "."
        raise CredentialsExpired(
            f"{label} failed with exit code {done.returncode}{because}", "Log in with it again, then refresh."
        )
    return _status(label, entry, done.stdout)


def _status(label: str, entry: ExecEntry, output: bytes) -> ExecStatus:
    try:
        credential = decoded(output, _ExecCredential)
    except msgspec.DecodeError:
        raise CredentialsExpired(
            f"{label} did not print an ExecCredential.", "Run it by hand and look."
        ) from None
    if credential.api_version != entry.api_version:
        raise KubeconfigError(
            f"{label} answers as {credential.api_version or 'nothing'}, the kubeconfig asks for "
            f"{entry.api_version}.",
            "Update the plug-in, or the apiVersion in the kubeconfig.",
        )
    status = credential.status or ExecStatus()
    if not status.token and not (status.client_certificate_data and status.client_key_data):
        raise CredentialsExpired(f"{label} gave neither token nor certificate.", "Log in with it again.")
    return status


def _exec_info(chosen: Chosen, entry: ExecEntry) -> dict[str, object]:
    spec: dict[str, object] = {"interactive": False}
    if entry.provide_cluster_info:
        cluster: dict[str, object] = {"server": chosen.cluster.server}
        optional = {
            "tls-server-name": chosen.cluster.tls_server_name,
            "insecure-skip-tls-verify": chosen.cluster.insecure_skip_tls_verify,
            "certificate-authority-data": chosen.cluster.certificate_authority_data,
            "proxy-url": chosen.cluster.proxy_url,
        }
        cluster |= {key: value for key, value in optional.items() if value}
        for extension in chosen.cluster.extensions:
            if extension.get("name") == "client.authentication.k8s.io/exec":
                cluster["config"] = extension.get("extension")
        spec["cluster"] = cluster
    return {"apiVersion": entry.api_version, "kind": "ExecCredential", "spec": spec}


def _find(chosen: Chosen, entry: ExecEntry, environ: dict[str, str]) -> str | None:
    if Path(entry.command).name != entry.command:  # a path: relative ones start at the kubeconfig
        return shutil.which(str(chosen.user_folder / entry.command))
    return shutil.which(entry.command, path=environ.get("PATH"))


def _install(entry: ExecEntry, name: str) -> str:
    told = " ".join(entry.install_hint.split())
    return told or f"Install “{name}”, or put its folder on PATH."


def _last_line(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return mask(lines[-1])[:200] if lines else ""


def mask(text: str) -> str:
    """Text with everything blanked that looks like a secret."""
    return _SECRET_LIKE.sub(lambda found: f"{found[1] or ''}…", text)
