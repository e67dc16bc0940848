"""The API server itself, what this user may do, and the ConfigMaps that say how the cluster was made."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec
import yaml

from facts.cluster.objects import ConfigMapObject, VersionInfo
from facts.cluster.signing_request import CsrObject
from facts.fact import Fact, NotApplicable, asked_of_cluster
from facts.node.parsing import listing, mapping, text, texts
from targets.errors import MalformedAnswer, NotFound
from targets.rights import ResourceRule, allowed, rights
from targets.target import ClusterTarget


def config_map(cluster: ClusterTarget, namespace: str, name: str) -> ConfigMapObject:
    """One ConfigMap by name (a get, not a list: least rights)."""
    return cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}", ConfigMapObject)


def yaml_document(said: str, what: str) -> dict[str, Any]:
    """A YAML mapping; MalformedAnswer names `what` where it is none."""
    try:
        value = yaml.safe_load(said)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise MalformedAnswer(
            f"{what} is not YAML: {error}", "Compare it with a healthy cluster's."
        ) from error
    if not isinstance(value, dict):
        raise MalformedAnswer(f"{what} is not a YAML mapping.", "Compare it with a healthy cluster's.")
    return value


@asked_of_cluster
class ApiServer(Fact, frozen=True):
    """Whether the API server is alive, and its version."""

    SOURCE: ClassVar[str] = "kubectl version; kubectl get --raw /livez"

    version: str
    alive: str = ""

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> ApiServer:
        version = cluster.get("/version", VersionInfo)
        return cls(version.git_version, cluster.text("/livez").strip())


class Wanted(msgspec.Struct, frozen=True):
    """One thing that kwinnow asks of the API. `namespace` empty: in all of them."""

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return " ".join(part for part in (self.verb, kind, self.name) if part) + where


CONFIG_MAPS = ("kubeadm-config", "kubelet-config", "kube-proxy", "coredns")
# What the facts ask, as a role must grant it.
WANTED: tuple[Wanted, ...] = (
    *(Wanted("list", "", r) for r in ("nodes", "pods", "services", "events")),
    Wanted("list", "apps", "daemonsets"),
    Wanted("list", "discovery.k8s.io", "endpointslices"),
    Wanted("list", "certificates.k8s.io", "certificatesigningrequests"),
    Wanted("list", "coordination.k8s.io", "leases"),
    Wanted("get", "", "pods/log"),
    *(Wanted("get", "", "configmaps", n, "kube-system") for n in CONFIG_MAPS),
)


@asked_of_cluster
class Rights(Fact, frozen=True):
    """What this user may do (SelfSubjectRulesReview), known before a missing right bites.

    `rules` are those of kube-system, among them what holds in all namespaces; `everywhere` are the latter alone.
    """

    SOURCE: ClassVar[str] = "kubectl auth can-i --list"

    rules: tuple[ResourceRule, ...]
    incomplete: bool = False
    everywhere: tuple[ResourceRule, ...] = ()

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> Rights:
        system, wide = rights(cluster, "kube-system"), rights(cluster)
        incomplete = system.incomplete or wide.incomplete
        return cls(system.resource_rules or (), incomplete, wide.resource_rules or ())

    def allows(self, verb: str, group: str, resource: str, name: str | None = None) -> bool:
        """Whether the rules allow it in kube-system. With `incomplete` a False is not certain."""
        return allowed(self.rules, verb, group, resource, name)

    @property
    def missing(self) -> tuple[Wanted, ...]:
        """What kwinnow asks and this user may not: the facts behind it will be unknown."""
        return tuple(
            w
            for w in WANTED
            if not allowed(
                self.rules if w.namespace else self.everywhere, w.verb, w.group, w.resource, w.name or None
            )
        )


@asked_of_cluster
class KubeadmConfig(Fact, frozen=True):
    """ConfigMap kubeadm-config: how the cluster was made. NotApplicable where kubeadm did not make it."""

    SOURCE: ClassVar[str] = "kubectl -n kube-system get configmap kubeadm-config -o yaml"

    pod_subnet: str = ""
    service_subnet: str = ""
    dns_domain: str = ""
    endpoint: str = ""
    version: str = ""

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> KubeadmConfig:
        said = config_map(cluster, "kube-system", "kubeadm-config").data.get("ClusterConfiguration", "")
        document = yaml_document(said, "ClusterConfiguration in ConfigMap kube-system/kubeadm-config")
        net = mapping(document.get("networking"))
        return cls(
            text(net.get("podSubnet")),
            text(net.get("serviceSubnet")),
            text(net.get("dnsDomain")),
            text(document.get("controlPlaneEndpoint")),
            text(document.get("kubernetesVersion")),
        )


@asked_of_cluster
class KubeletConfigMap(Fact, frozen=True):
    """ConfigMap kubelet-config: what kubeadm gives to every kubelet."""

    SOURCE: ClassVar[str] = "kubectl -n kube-system get configmap kubelet-config -o yaml"

    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = ""

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> KubeletConfigMap:
        said = config_map(cluster, "kube-system", "kubelet-config").data.get("kubelet", "")
        document = yaml_document(said, "kubelet in ConfigMap kube-system/kubelet-config")
        return cls(texts(document.get("clusterDNS")), text(document.get("clusterDomain")))


@asked_of_cluster
class KubeProxyConfigMap(Fact, frozen=True):
    """ConfigMap kube-proxy: the address of the API server and the cluster CIDR as kubeadm wrote them."""

    SOURCE: ClassVar[str] = "kubectl -n kube-system get configmap kube-proxy -o yaml"

    server: str = ""
    cluster_cidr: str = ""
    mode: str = ""

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> KubeProxyConfigMap:
        data = config_map(cluster, "kube-system", "kube-proxy").data
        conf = yaml_document(data.get("config.conf", "{}"), "config.conf in ConfigMap kube-system/kube-proxy")
        kube = yaml_document(
            data.get("kubeconfig.conf", "{}"), "kubeconfig.conf in ConfigMap kube-system/kube-proxy"
        )
        server = text(_first_cluster(kube).get("server"))
        return cls(server, text(conf.get("clusterCIDR")), text(conf.get("mode")))


def _first_cluster(kubeconfig: dict[str, Any]) -> dict[str, Any]:
    """The first cluster of a kubeconfig; empty where it names none."""
    return next((mapping(mapping(c).get("cluster")) for c in listing(kubeconfig.get("clusters"))), {})


@asked_of_cluster
class CoreDns(Fact, frozen=True):
    """ConfigMap coredns: the Corefile."""

    SOURCE: ClassVar[str] = "kubectl -n kube-system get configmap coredns -o yaml"

    corefile: str

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> CoreDns:
        return cls(config_map(cluster, "kube-system", "coredns").data.get("Corefile", ""))

    @property
    def domain(self) -> str:
        """First zone of the kubernetes plug-in; empty where it names none and takes those of its server block."""
        lines = (line.split() for line in self.corefile.splitlines())
        words = next((words for words in lines if words[:1] == ["kubernetes"]), [])
        return words[1].rstrip(".") if len(words) > 1 and words[1] != "{" else ""


@asked_of_cluster
class ClusterInfo(Fact, frozen=True):
    """ConfigMap kube-public/cluster-info and the cluster's CA (kube-root-ca.crt)."""

    SOURCE: ClassVar[str] = "kubectl -n kube-public get configmap cluster-info -o yaml"

    server: str = ""
    ca_sha256: str = ""  # of the DER form of the first certificate

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> ClusterInfo | NotApplicable:
        import base64
        import hashlib

        what = "kubeconfig in ConfigMap kube-public/cluster-info"
        said = config_map(cluster, "kube-public", "cluster-info").data.get("kubeconfig", "")
        first = _first_cluster(yaml_document(said, what))
        try:
            pem = base64.b64decode(text(first.get("certificate-authority-data"))).decode("ascii", "replace")
            found = re.search("-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", pem, re.S)
            der = base64.b64decode(found.group(1)) if found else b""
        except ValueError as error:
            raise MalformedAnswer(
                f"The certificate authority of the {what} is not base64: {error}.",
                "Compare it with a healthy cluster's.",
            ) from error
        return cls(text(first.get("server")), hashlib.sha256(der).hexdigest() if der else "")


@asked_of_cluster
class Csrs(Fact, frozen=True):
    """Certificate signing requests."""

    SOURCE: ClassVar[str] = "kubectl get csr -o json"

    items: tuple[CsrObject, ...]

    @classmethod
    def ask(cls, cluster: ClusterTarget) -> Csrs:
        try:
            found = cluster.list("/apis/certificates.k8s.io/v1/certificatesigningrequests", CsrObject)
        except NotFound:  # before Kubernetes 1.19
            found = cluster.list("/apis/certificates.k8s.io/v1beta1/certificatesigningrequests", CsrObject)
        return cls(tuple(found))
