"""What we may do, asked before it bites: SelfSubjectRulesReview and SelfSubjectAccessReview.

Source: "Authorization" in the Kubernetes documentation. Rules match as in its RBAC evaluation: a rule for
"pods" does not cover "pods/log"; "*" covers all; "*/log" covers that subresource of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec

T = TypeVar("T")

_API = "/apis/authorization.k8s.io/v1"
# No namespace can have this name (it has a dot). A review for it holds what is granted for the whole cluster.
_NOWHERE = "whole.cluster"


class _Creates(Protocol):
    def create(self, path: str, body: object, as_type: type[T]) -> T: ...


class ResourceRule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    resource_names: tuple[str, ...] | None = None


class NonResourceRule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] | None = msgspec.field(default=None, name="nonResourceURLs")


class Rights(msgspec.Struct, frozen=True, rename="camel"):
    """The rules that apply to us. With `incomplete`, what is not in them may still be allowed."""

    resource_rules: tuple[ResourceRule, ...] | None = None
    non_resource_rules: tuple[NonResourceRule, ...] | None = None
    incomplete: bool = False
    evaluation_error: str = ""
    namespace: str = ""  # "" is the whole cluster

    def allows(self, verb: str, group: str, resource: str, name: str | None = None) -> bool:
        """Whether a rule grants it (`allowed`)."""
        return allowed(self.resource_rules or (), verb, group, resource, name)

    def allows_url(self, verb: str, path: str) -> bool:
        """Whether a rule grants a path that is no resource, such as /livez."""
        return any(
            _has(rule.verbs, verb)
            and any(
                url == path or (url.endswith("*") and path.startswith(url[:-1]))
                for url in rule.non_resource_urls or ()
            )
            for rule in self.non_resource_rules or ()
        )


class _RulesReview(msgspec.Struct, frozen=True):
    status: Rights


class Permission(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to one question. `reason` is the authorizer's own text, and may be empty."""

    allowed: bool = False
    reason: str = ""
    evaluation_error: str = ""


class _AccessReview(msgspec.Struct, frozen=True):
    status: Permission


def rights(cluster: _Creates, namespace: str = "") -> Rights:
    """All that we may do in `namespace`, or, without one, in the whole cluster. Everybody may ask this."""
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace or _NOWHERE},
    }
    review = cluster.create(f"{_API}/selfsubjectrulesreviews", body, _RulesReview)
    return msgspec.structs.replace(review.status, namespace=namespace)


def permission(
    cluster: _Creates, verb: str, group: str, resource: str, namespace: str = "", name: str = ""
) -> Permission:
    """One exact question, for where `Rights.incomplete` leaves a doubt."""
    base, _, sub = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": base, "subresource": sub}
    attributes |= {"namespace": namespace, "name": name}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    return cluster.create(f"{_API}/selfsubjectaccessreviews", body, _AccessReview).status


def allowed(
    rules: Iterable[ResourceRule], verb: str, group: str, resource: str, name: str | None = None
) -> bool:
    """Whether one of the rules grants it. `resource` is as in RBAC: "pods/log"; the core group is "".

    Without a name only rules count that are not narrowed to names.
    """
    return any(
        _has(rule.verbs, verb)
        and _has(rule.api_groups, group)
        and _covers(rule.resources or (), resource)
        and (not rule.resource_names or name in rule.resource_names)
        for rule in rules
    )


def _has(have: tuple[str, ...] | None, wanted: str) -> bool:
    return have is not None and ("*" in have or wanted in have)


def _covers(have: tuple[str, ...], resource: str) -> bool:
    if "*" in have or resource in have:
        return True
    _, slash, sub = resource.partition("/")
    return bool(slash) and f"*/{sub}" in have
