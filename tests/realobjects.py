"""The objects of a practice cluster, loaded into a real API server: the same cluster twice, to be compared.

What the practice cluster's kubelets answer (logs) is answered for the real API server by a small kubelet here, which
it reaches through an egress proxy, since the nodes' addresses exist nowhere.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socketserver
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from realcluster import TOKENS, RealCluster, own_cluster
from testpki import Authority

from lab.api.resources import Resource, resources
from lab.practice import Practice
from lab.world.export import export
from lab.world.state import LogLine, Object, World, key_of
from lab.world.text import rfc3339_nano
from targets.cluster import Cluster, open_cluster

NOW_MINOR = 36  # what the real programs are
_SERVERS_OWN = {
    ("kube-system", "extension-apiserver-authentication"),
    ("kube-system", "kube-apiserver-legacy-service-account-token-tracking"),
}


def servers_own(item: Any) -> bool:
    """Whether an API server makes this object by itself: its own address, its authentication, its events."""
    place = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
    # Its repair loop looks at Services and finds addresses and ports that it has given out a moment ago.
    repair = item.get("reason", "").endswith("NotAllocated")
    return repair or place == ("default", "kubernetes") or place in _SERVERS_OWN


class StillClock:
    """A clock that stands, so that what is read twice is the same twice."""

    def __init__(self, at: float) -> None:
        self.epoch = at
        self._at = at

    def now(self) -> float:
        return self._at

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        return stop.wait()


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `raw` is the body as it came, `document` what it holds."""

    code: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Speaker:
    """Somebody who sends requests to an API server exactly as they are given."""

    port: int
    token: str
    authority: str  # PEM
    _open: http.client.HTTPSConnection | None = field(default=None, init=False)

    def connection(self, seconds: float = 20.0) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cadata=self.authority)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=seconds, context=context)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """`headers` with _ for -. A dict as `body` is sent as JSON."""
        if self._open is None:
            self._open = self.connection()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        kind = {"Content-Type": "application/json"} if data is not None else {}
        everything = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **kind, **named}
        self._open.request(method, path, data, everything)
        answer = self._open.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def done(self, method: str, path: str, body: Any, **headers: str) -> Any:
        """As `send`, for what has to succeed."""
        reply = self.send(method, path, body, **headers)
        assert reply.code < 300, (method, path, reply.code, reply.body)
        return reply.document


@dataclass(frozen=True)
class Paired:
    """One practice cluster and the real API server that holds its objects. The practice cluster's clock stands."""

    scenario: str
    practice: Practice
    real: RealCluster

    def lab_speaker(self, token: str = "") -> Speaker:
        authority = (self.practice.folder / "ca.pem").read_text()
        return Speaker(urlsplit(self.practice.url).port or 0, token or self.practice.token, authority)

    def real_speaker(self, user: str = "admin") -> Speaker:
        return Speaker(self.real.port, TOKENS[user], self.real.authority.certificate.decode())

    def lab_cluster(self) -> Cluster:
        return open_cluster(self.practice.kubeconfig, environ={})

    def real_cluster(self) -> Cluster:
        return open_cluster(self.real.kubeconfig(), environ={})


@contextmanager
def paired(scenario: str, folder: Path, *plants: str) -> Iterator[Paired]:
    """Start both and load the real one."""
    practice = Practice(scenario, StillClock(float(int(time.time()))), use_engine=False)
    try:
        for name in plants:
            practice.plant(name)
        world = practice.world
        addresses = f"--service-cluster-ip-range={world.plan.service_cidr}"
        with kubelet(world, folder) as flags, own_cluster(folder, *flags, addresses) as real, practice:
            both = Paired(scenario, practice, real)
            load(both.real_speaker(), world)
            yield both
    finally:
        practice.stop()


# What is loaded: healthy scenarios, and one with events, pods that do not start, a node that is not ready.
CLUSTERS = {
    "flannel-2019": ("flannel-2019",),
    "flannel-2022": ("flannel-2022",),
    "classic-2019": ("classic-2019",),
    "ill": ("flannel-2022", "cni.flannel.vni:one", "certs.csr-pending", "node.linux-daemonsets"),
}


@pytest.fixture(scope="session", params=list(CLUSTERS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paired]:
    """Each of CLUSTERS, twice."""
    scenario, *plants = CLUSTERS[request.param]
    with paired(scenario, tmp_path_factory.mktemp(f"paired-{request.param}"), *plants) as made:
        yield made


# -- loading


def resource_of(item: Object, known: list[Resource]) -> Resource:
    """The resource by which the present API serves `item`, whatever version it is written in."""
    group = item["apiVersion"].rpartition("/")[0]
    return next(r for r in known if r.kind == item["kind"] and r.api_version.rpartition("/")[0] == group)


def load(speaker: Speaker, world: World) -> None:
    """Create every object and write its status where there is one."""
    known = resources(NOW_MINOR)
    for item in export(world):
        owners = world.objects[key_of(item)]["metadata"].get("ownerReferences")
        if owners:
            item["metadata"]["ownerReferences"] = owners
        _create(speaker, item, resource_of(item, known))


def _create(speaker: Speaker, item: Object, resource: Resource) -> None:
    item["apiVersion"] = resource.api_version
    namespace = item["metadata"].get("namespace", "")
    place = f"/namespaces/{namespace}" if namespace else ""
    api = resource.api_version
    base = f"/{'apis' if '/' in api else 'api'}/{api}{place}/{resource.plural}"
    status = item.pop("status", None)
    headers: dict[str, str] = {}
    if resource.kind == "CertificateSigningRequest":  # the server writes down who asks
        headers = {"Impersonate_User": item["spec"]["username"], "Impersonate_Group": "system:masters"}
    speaker.done("POST", base, item, **headers)
    path = f"{base}/{item['metadata']['name']}"
    if resource.kind == "Node":  # admission has added a taint to the new node
        taints = item["spec"].get("taints")
        _patch(speaker, path, {"spec": {"taints": taints}})
    if not status or resource.kind == "Namespace":
        return
    if resource.kind == "CertificateSigningRequest" and status.get("conditions"):
        _patch(speaker, f"{path}/approval", {"status": {"conditions": status["conditions"]}})
    _patch(speaker, f"{path}/status", {"status": status})


def _patch(speaker: Speaker, path: str, change: Any) -> None:
    speaker.done("PATCH", path, change, Content_Type="application/merge-patch+json")


# -- the nodes' kubelets, as far as the API server asks them


@contextmanager
def kubelet(world: World, folder: Path) -> Iterator[list[str]]:
    """An egress proxy behind which every address is a kubelet with the world's logs; the API server's flags for it."""
    authority = Authority.create(folder / "kubelet-pki")
    (folder / "kubelet.pem").write_bytes(
        b"".join(authority.issue("kubelet", hosts=["127.0.0.1"], server=True))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "kubelet.pem")

    class Tunnel(socketserver.StreamRequestHandler):
        rbufsize = 0  # what follows CONNECT's head is TLS, and not ours to read ahead

        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as inner,
                inner.makefile("rb") as reader,
            ):
                while first := reader.readline().decode().split():
                    while reader.readline().strip():
                        pass
                    inner.sendall(_containers_log(world, first[1]))

    class Proxy(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True
        block_on_close = False

    with tempfile.TemporaryDirectory() as short:  # the name of a socket may have some 100 bytes
        transport = {"uds": {"udsName": f"{short}/proxy"}}
        selection = {
            "name": "cluster",
            "connection": {"proxyProtocol": "HTTPConnect", "transport": transport},
        }
        document = {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [selection],
        }
        (folder / "egress.json").write_text(json.dumps(document))
        with Proxy(f"{short}/proxy", Tunnel) as proxy:
            threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            yield [
                f"--egress-selector-config-file={folder}/egress.json",
                "--kubelet-preferred-address-types=InternalIP",
            ]
            proxy.shutdown()


def _containers_log(world: World, target: str) -> bytes:
    url = urlsplit(target)
    query = {key: values[-1] for key, values in parse_qs(url.query).items()}
    _, _, namespace, pod, container = url.path.split("/")
    lines: list[LogLine] = world.logs.get((namespace, pod, container), [])
    if "tailLines" in query:
        lines = lines[-int(query["tailLines"]) :]
    stamped = query.get("timestamps") == "true"
    text = "".join((f"{rfc3339_nano(at)} " if stamped else "") + f"{line}\n" for at, line in lines)
    data = text.encode()[: int(query["limitBytes"])] if "limitBytes" in query else text.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data
