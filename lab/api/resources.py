"""Which resources the API server knows, under which group and version, and how it shows them."""

from __future__ import annotations

from dataclasses import dataclass, field

READ = ("get", "list", "watch")
ALL = ("create", "delete", "get", "list", "patch", "update", "watch")
# Below objects: the name, and what it takes: group, version and kind (empty: as the object), and verbs.
BELOW: dict[str, tuple[tuple[str, str, str, tuple[str, ...]], ...]] = {
    "pods": (("log", "", "", ("get",)),),
    "nodes": (("proxy", "", "NodeProxyOptions", ("get",)),),
    "deployments": (("scale", "autoscaling/v1", "Scale", ("get", "patch", "update")),),
    "replicasets": (("scale", "autoscaling/v1", "Scale", ("get", "patch", "update")),),
    "certificatesigningrequests": (("approval", "", "", ("get", "patch", "update")),),
}
# Written by controllers, by kubelets, or by nobody in this lab: changing them would change nothing.
READ_ONLY = ("endpoints", "endpointslices", "events", "statefulsets", "csinodes")


@dataclass(frozen=True)
class Resource:
    """One resource of one group version. `stored` is the apiVersion under which the world keeps the objects."""

    group_version: str  # "v1", "apps/v1"
    plural: str
    kind: str
    namespaced: bool
    short: tuple[str, ...] = ()
    stored: str = ""
    categories: tuple[str, ...] = field(default=())

    @property
    def api_version(self) -> str:
        return self.stored or self.group_version

    @property
    def writable(self) -> bool:
        return self.plural not in READ_ONLY

    @property
    def group(self) -> str:
        return self.group_version.rpartition("/")[0]


def resources(minor: int) -> list[Resource]:
    """What a server of version 1.`minor` serves, as far as this lab goes."""
    certificates = "certificates.k8s.io/v1" if minor >= 19 else "certificates.k8s.io/v1beta1"
    slices = "discovery.k8s.io/v1" if minor >= 21 else "discovery.k8s.io/v1beta1"
    events = "events.k8s.io/v1" if minor >= 19 else "events.k8s.io/v1beta1"
    return [
        Resource("v1", "configmaps", "ConfigMap", True, ("cm",)),
        Resource("v1", "endpoints", "Endpoints", True, ("ep",)),
        Resource("v1", "events", "Event", True, ("ev",)),
        Resource("v1", "namespaces", "Namespace", False, ("ns",)),
        Resource("v1", "nodes", "Node", False, ("no",)),
        Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",)),
        Resource("v1", "persistentvolumes", "PersistentVolume", False, ("pv",)),
        Resource("v1", "pods", "Pod", True, ("po",), categories=("all",)),
        Resource("v1", "secrets", "Secret", True),
        Resource("v1", "serviceaccounts", "ServiceAccount", True, ("sa",)),
        Resource("v1", "services", "Service", True, ("svc",), categories=("all",)),
        Resource("apps/v1", "daemonsets", "DaemonSet", True, ("ds",), categories=("all",)),
        Resource("apps/v1", "deployments", "Deployment", True, ("deploy",), categories=("all",)),
        Resource("apps/v1", "replicasets", "ReplicaSet", True, ("rs",), categories=("all",)),
        Resource("apps/v1", "statefulsets", "StatefulSet", True, ("sts",), categories=("all",)),
        Resource(certificates, "certificatesigningrequests", "CertificateSigningRequest", False, ("csr",)),
        Resource("coordination.k8s.io/v1", "leases", "Lease", True),
        Resource(slices, "endpointslices", "EndpointSlice", True, stored="discovery.k8s.io/v1"),
        Resource(events, "events", "Event", True, ("ev",), stored="v1"),
        Resource(
            "node.k8s.io/v1" if minor >= 20 else "node.k8s.io/v1beta1",
            "runtimeclasses",
            "RuntimeClass",
            False,
        ),
        Resource("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", False),
        Resource("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", False),
        Resource("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding", True),
        Resource("storage.k8s.io/v1", "csinodes", "CSINode", False),
        Resource("storage.k8s.io/v1", "storageclasses", "StorageClass", False, ("sc",)),
    ]


def groups(known: list[Resource]) -> dict[str, list[str]]:
    """Group → its versions, the core group left out."""
    found: dict[str, list[str]] = {"authorization.k8s.io": ["v1"]}
    for item in known:
        if "/" in item.group_version:
            group, version = item.group_version.split("/")
            versions = found.setdefault(group, [])
            if version not in versions:
                versions.append(version)
    return found


def resource_list(known: list[Resource], group_version: str) -> dict[str, object]:
    """APIResourceList of one group version."""
    entries: list[dict[str, object]] = []
    for item in known:
        if item.group_version != group_version:
            continue
        entry: dict[str, object] = {
            "name": item.plural,
            "singularName": item.kind.lower(),
            "namespaced": item.namespaced,
            "kind": item.kind,
            "verbs": list(ALL if item.writable else READ),
        }
        if item.short:
            entry["shortNames"] = list(item.short)
        if item.categories:
            entry["categories"] = list(item.categories)
        entries.append(entry)
        for name, version, kind, verbs in BELOW.get(item.plural, ()):
            group, _, number = version.rpartition("/")
            entries.append(
                {
                    "name": f"{item.plural}/{name}",
                    "singularName": "",
                    "namespaced": item.namespaced,
                    **({"group": group, "version": number} if group else {}),
                    "kind": kind or item.kind,
                    "verbs": list(verbs),
                }
            )
    if group_version == "authorization.k8s.io/v1":
        for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview"):
            entries.append(
                {
                    "name": kind.lower() + "s",
                    "singularName": kind.lower(),
                    "namespaced": False,
                    "kind": kind,
                    "verbs": ["create"],
                }
            )
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    }
