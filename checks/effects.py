"""What follows where the runtime, or the way to the API server, is gone: links that several families share."""

from __future__ import annotations

from collections.abc import Iterable

from checks.causes import Link, Relation, cause_of
from checks.cni.links import no_flanneld
from checks.finding import Finding
from checks.relations import crashed, kubelet_silent, serious


def where(condition: Relation, links: Iterable[Link]) -> list[Link]:
    """The same links, which hold only where `condition` holds too."""

    def both(first: Relation | None) -> Relation:
        def holds(cause: Finding, effect: Finding) -> bool:
            return condition(cause, effect) and (first is None or first(cause, effect))

        return holds

    return [Link(link.effect, link.related, both(link.when)) for link in links]


# Without a runtime no container runs: neither the pods nor the HostProcess pods of flannel and kube-proxy. A kubelet
# that starts meanwhile ends; one that somebody stopped did not end for this.
NO_RUNTIME: list[Link] = where(
    serious,
    [
        cause_of("node.notready"),
        cause_of("kubelet.nssm-paused"),
        cause_of("kubelet.not-running", when=crashed),
        cause_of("image.pause.pulled"),
        *no_flanneld(),
    ],
)

# A node that the API server does not hear, or does not let in: the kubelet is silent, and flanneld and kube-proxy
# learn of nothing where they use the same way or the same credential.
NO_API: list[Link] = where(
    serious,
    [
        cause_of("node.notready", when=kubelet_silent),
        cause_of("cni.flannel.api-access"),
        cause_of("proxy.kubeconfig"),
        *no_flanneld(),
    ],
)
