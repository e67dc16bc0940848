"""A real etcd and kube-apiserver for tests, started once for all workers of a test run.

The programs come from the folder in KWINNOW_KUBERNETES, or from PATH. Tokens and client certificates are made
here, so that a test can be any user; RBAC decides as it does in a real cluster. There is no controller and no
scheduler: what a test creates stays as it is.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from testpki import Authority

START_SECONDS = 60.0
TOKENS = {
    "admin": "admin-5c0f3d2a",
    "reader": "reader-77aa1b9e",
    "stranger": "stranger-b41c88f0",
}
_GROUPS = {"admin": "system:masters", "reader": "readers", "stranger": "strangers"}


@dataclass(frozen=True)
class RealCluster:
    """How to reach it, and how to be somebody there."""

    folder: str
    port: int
    etcd_port: int
    programs: str
    pids: tuple[int, ...]

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Authority:
        return Authority.load(Path(self.folder) / "pki")

    def config(self, user: dict[str, Any], cluster: dict[str, Any] | None = None) -> dict[str, Any]:
        """A kubeconfig document whose only context is "real"."""
        entry = {"server": self.server, "certificate-authority-data": b64(self.authority.certificate)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "clusters": [{"name": "real", "cluster": {**entry, **(cluster or {})}}],
            "users": [{"name": "somebody", "user": user}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "somebody"}}],
        }

    def kubeconfig(self, user: str = "admin") -> Path:
        """The kubeconfig file of one of TOKENS."""
        path = Path(self.folder) / f"{user}.kubeconfig"
        if not path.exists():
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.write_text(yaml.safe_dump(self.config({"token": TOKENS[user]})))
            fresh.replace(path)
        return path

    def compact(self) -> None:
        """Make etcd forget all but the present, as a real cluster does every five minutes."""
        revision = self._etcd("range", {"key": b64(b"/")})["header"]["revision"]
        self._etcd("compaction", {"revision": revision, "physical": True})

    def _etcd(self, what: str, body: dict[str, Any]) -> Any:
        url = f"http://127.0.0.1:{self.etcd_port}/v3/kv/{what}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def kubectl(self, *words: str, stdin: str = "", user: str = "admin") -> str:
        """Run the real kubectl; its stdout. CalledProcessError if it fails."""
        command = [str(Path(self.programs) / "kubectl"), "--kubeconfig", str(self.kubeconfig(user)), *words]
        environ = {"PATH": os.environ.get("PATH", ""), "HOME": self.folder}  # it keeps a cache at home
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=True, timeout=60, env=environ
        )
        return done.stdout


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def find_programs() -> Path | None:
    """The folder with etcd, kube-apiserver and kubectl."""
    named = os.environ.get("KWINNOW_KUBERNETES")
    if named:
        return Path(named)
    found = shutil.which("kube-apiserver")
    return Path(found).parent if found and shutil.which("etcd", path=str(Path(found).parent)) else None


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """The shared cluster. The first worker to want it starts it, the last to leave stops it."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no real control plane: set KWINNOW_KUBERNETES to a folder with etcd and kube-apiserver")
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "realcluster"
    shared.mkdir(exist_ok=True)
    record = shared / "cluster.json"
    with _locked(shared):
        state = json.loads(record.read_text()) if record.exists() else {"users": 0}
        if state["users"] == 0:
            state = {"users": 0, "cluster": asdict(_start(shared, programs))}
        state["users"] += 1
        record.write_text(json.dumps(state))
    cluster = RealCluster(**{**state["cluster"], "pids": tuple(state["cluster"]["pids"])})
    try:
        yield cluster
    finally:
        with _locked(shared):
            state = json.loads(record.read_text())
            state["users"] -= 1
            record.write_text(json.dumps(state))
            if state["users"] == 0:
                for pid in cluster.pids:
                    _end(pid)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    import fcntl  # the programs are Linux programs, and so are their tests

    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def own_cluster(folder: Path, *api_flags: str) -> Iterator[RealCluster]:
    """A cluster that nobody else uses, for tests that fill it with nodes and system pods. Gone at the end."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no real control plane: set KWINNOW_KUBERNETES to a folder with etcd and kube-apiserver")
    cluster = _start(folder, programs, api_flags)
    try:
        yield cluster
    finally:
        for pid in cluster.pids:
            _end(pid)


def _start(shared: Path, programs: Path, api_flags: Sequence[str] = ()) -> RealCluster:
    port, etcd, peer = _free_ports(3)
    folder = shared / f"at-{port}"
    pki = folder / "pki"
    authority = Authority.create(pki)
    certificate, key = authority.issue(
        "kube-apiserver", hosts=["127.0.0.1", "localhost", "kubernetes"], server=True
    )
    (folder / "server.crt").write_bytes(certificate)
    (folder / "server.key").write_bytes(key)
    (folder / "sa.key").write_bytes(key)
    tokens = [f"{token},{name},{name},{_GROUPS[name]}" for name, token in TOKENS.items()]
    (folder / "tokens.csv").write_text("\n".join(tokens) + "\n")
    etcd_url, peer_url = f"http://127.0.0.1:{etcd}", f"http://127.0.0.1:{peer}"
    etcd_command = [
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls={peer_url}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    api_command = [
        f"--etcd-servers={etcd_url}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--service-cluster-ip-range=10.96.0.0/12",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--tls-cert-file={folder}/server.crt",
        f"--tls-private-key-file={folder}/server.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",
        # No controller makes the "default" account that this would ask of every pod.
        "--disable-admission-plugins=ServiceAccount",
        *api_flags,
    ]
    processes = []
    for name, command in (("etcd", etcd_command), ("kube-apiserver", api_command)):
        with (folder / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(
                [str(programs / name), *command], stdout=log, stderr=log, start_new_session=True
            )
        processes.append(started)
    cluster = RealCluster(str(folder), port, etcd, str(programs), tuple(process.pid for process in processes))
    try:
        _wait_until_ready(cluster, processes)
    except BaseException:
        for process in processes:
            process.kill()
            process.wait(10)
        raise
    _children.update({process.pid: process for process in processes})
    return cluster


_children: dict[int, subprocess.Popen[bytes]] = {}


def _wait_until_ready(cluster: RealCluster, processes: list[subprocess.Popen[bytes]]) -> None:
    context = cluster.authority.client_context()
    request = urllib.request.Request(f"{cluster.server}/readyz")
    request.add_header("Authorization", f"Bearer {TOKENS['admin']}")
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5, context=context):
            return
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                logs = "\n".join(path.read_text()[-2000:] for path in Path(cluster.folder).glob("*.log"))
                pytest.fail(f"the control plane ended at its start:\n{logs}")
    pytest.fail(f"the control plane was not ready after {START_SECONDS:g} s; see {cluster.folder}")


def _end(pid: int) -> None:
    """Stop a process that this run started, perhaps in another worker, and wait until it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(handle):
        # Nothing in it is worth an orderly end, which takes an API server some 15 s.
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(10_000)
    if pid in _children:
        _children.pop(pid).wait(5)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
