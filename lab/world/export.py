"""All API objects of a world, in the order in which a real API server can take them."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from lab.world.state import Object, World

# Kinds that others refer to come first.
ORDER = ("Namespace", "ServiceAccount", "Node", "ConfigMap", "ClusterRoleBinding", "Service")
# What a real control plane makes by itself, and would refuse or fight over.
SERVED_BY = ("Service", "EndpointSlice")  # the API server's own entry in the namespace default
OWN = {("Namespace", n) for n in ("default", "kube-system", "kube-public", "kube-node-lease")}


def export(world: World, *, make_own: bool = False) -> Iterator[Object]:
    """Copies of the objects without what only a server may set (uid, resourceVersion, owner references by uid).

    `status` is kept: it has to be written through the status subresource. `make_own`: also those that every cluster
    has from the start.
    """

    def rank(item: Object) -> tuple[int, str, str]:
        kind = item["kind"]
        place = ORDER.index(kind) if kind in ORDER else len(ORDER)
        return place, item["metadata"].get("namespace", ""), item["metadata"]["name"]

    for item in sorted(world.objects.values(), key=rank):
        kind, name = item["kind"], item["metadata"]["name"]
        automatic = (kind, name) in OWN or kind == "Endpoints" or (kind in SERVED_BY and name == "kubernetes")
        if automatic and not make_own:
            continue
        plain = copy.deepcopy(item)
        for field in ("uid", "resourceVersion", "creationTimestamp", "ownerReferences", "managedFields"):
            plain["metadata"].pop(field, None)
        yield plain
