"""Who asks, and what they may do: bearer tokens, client certificates, and two sets of rights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Rule:
    """One RBAC rule. "*" stands for everything."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]

    def admits(self, verb: str, group: str, resource: str) -> bool:
        def has(values: tuple[str, ...], value: str) -> bool:
            return "*" in values or value in values

        return has(self.verbs, verb) and has(self.groups, group) and has(self.resources, resource)


ADMIN = (Rule(("*",), ("*",), ("*",)),)
FEW = (  # what a developer with the `view` role in one namespace and nothing at the cluster scope would have
    Rule(("",), ("pods", "pods/log", "services", "configmaps", "endpoints", "events"), READ),
    Rule(("apps",), ("deployments", "replicasets", "daemonsets"), READ),
)
FEW_CLUSTER = (Rule(("",), ("nodes",), ("get", "list")),)
_SELF = Rule(("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews"), ("create",))


@dataclass(frozen=True)
class User:
    """Who asks. `namespace`: where the namespaced rules hold ("" for everywhere)."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)
    rules: tuple[Rule, ...] = ADMIN
    cluster_rules: tuple[Rule, ...] = ()
    namespace: str = ""

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        if _SELF.admits(verb, group, resource):
            return True
        if any(rule.admits(verb, group, resource) for rule in self.cluster_rules):
            return True
        if self.namespace and namespace != self.namespace:
            return False
        return any(rule.admits(verb, group, resource) for rule in self.rules)


def few_rights(name: str) -> User:
    return User(name, rules=FEW, cluster_rules=FEW_CLUSTER, namespace="shop")


@dataclass
class Directory:
    """Tokens and what they stand for. Switching `few` on takes rights away from everybody but system users."""

    tokens: dict[str, str] = field(default_factory=dict)  # token → user name
    expired: set[str] = field(default_factory=set)
    few: bool = False
    reject: bool = False  # every credential is refused

    def user_for_token(self, token: str) -> User | None:
        if self.reject or token in self.expired or token not in self.tokens:
            return None
        return self._user(self.tokens[token])

    def user_for_certificate(self, name: str) -> User | None:
        return None if self.reject else self._user(name)

    def _user(self, name: str) -> User:
        if self.few and not name.startswith("system:"):
            return few_rights(name)
        return User(name, ("system:masters", "system:authenticated"))


def rules_review(user: User, namespace: str) -> dict[str, Any]:
    """The status of a SelfSubjectRulesReview."""
    rules = [_SELF, *user.cluster_rules]
    if not user.namespace or user.namespace == namespace:
        rules += user.rules
    found = [
        {"verbs": list(r.verbs), "apiGroups": list(r.groups), "resources": list(r.resources)} for r in rules
    ]
    paths = [
        {
            "verbs": ["get"],
            "nonResourceURLs": [
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/livez",
                "/openapi",
                "/openapi/*",
                "/readyz",
                "/version",
                "/version/",
            ],
        }
    ]
    return {"resourceRules": found, "nonResourceRules": paths, "incomplete": False}
