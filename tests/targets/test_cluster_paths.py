"""API paths taken apart, and requests as the kubectl lines that send them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from targets.api_errors import parse_path, verb_of
from targets.kubeconfig import Chosen, ClusterEntry, UserEntry
from targets.kubectl_line import kubectl_line

MERGE = "application/merge-patch+json"


def chosen(context: str = "prod") -> Chosen:
    here = Path()
    flags = ("--context", context)
    return Chosen(
        context, "default", "k", ClusterEntry(server="https://k"), here, "u", UserEntry(), here, flags
    )


@pytest.mark.parametrize(
    ("method", "path", "verb", "label", "namespace", "name"),
    [
        ("GET", "/api/v1/nodes?limit=500", "list", "nodes", "", ""),
        ("GET", "/api/v1/nodes/n1", "get", "nodes", "", "n1"),
        ("GET", "/api/v1/nodes?watch=true&a=b", "watch", "nodes", "", ""),
        ("GET", "/api/v1/namespaces", "list", "namespaces", "", ""),
        ("GET", "/api/v1/namespaces/web", "get", "namespaces", "", "web"),
        ("PUT", "/api/v1/namespaces/web/finalize", "update", "namespaces/finalize", "", "web"),
        ("GET", "/api/v1/namespaces/web/pods", "list", "pods", "web", ""),
        ("GET", "/api/v1/namespaces/web/pods/p/log?follow=true", "get", "pods/log", "web", "p"),
        ("GET", "/api/v1/nodes/n/proxy/logs/kubelet", "get", "nodes/proxy", "", "n"),
        ("POST", "/apis/apps/v1/namespaces/web/deployments", "create", "deployments.apps", "web", ""),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/daemonsets/d/status",
            "patch",
            "daemonsets/status.apps",
            "a",
            "d",
        ),
        ("DELETE", "/api/v1/namespaces/web/pods/p", "delete", "pods", "web", "p"),
        ("DELETE", "/api/v1/namespaces/web/pods", "deletecollection", "pods", "web", ""),
        ("GET", "/apis/metrics.k8s.io/v1beta1/nodes", "list", "nodes.metrics.k8s.io", "", ""),
    ],
)
def test_a_path_is_what_rbac_would_call_it(
    method: str, path: str, verb: str, label: str, namespace: str, name: str
) -> None:
    parts = parse_path(path)
    assert parts is not None
    assert (verb_of(method, path), parts.label, parts.namespace, parts.name) == (verb, label, namespace, name)


@pytest.mark.parametrize(
    "path", ["/version", "/livez?verbose", "/api", "/apis", "/api/v1", "/openapi/v2", "/"]
)
def test_paths_that_are_no_resource(path: str) -> None:
    assert parse_path(path) is None
    assert verb_of("GET", path) == "get"


def test_reads_are_quoted_for_the_shell() -> None:
    line = kubectl_line(chosen("it's prod"), "GET", "/api/v1/pods?labelSelector=a%3D'b'&limit=500")
    assert shlex.split(line) == [
        "kubectl",
        "--context",
        "it's prod",
        "get",
        "--raw",
        "/api/v1/pods?labelSelector=a%3D'b'&limit=500",
    ]


def test_a_patch_names_resource_scope_and_kind() -> None:
    path = "/apis/apps/v1/namespaces/kube-system/daemonsets/x/status"
    assert shlex.split(kubectl_line(chosen(), "PATCH", path, b'{"a":"it\'s"}', MERGE)) == [
        *("kubectl", "--context", "prod", "-n", "kube-system", "patch", "daemonsets.v1.apps", "x"),
        *("--subresource", "status", "--type", "merge", "-p", '{"a":"it\'s"}'),
    ]
    node = kubectl_line(chosen(), "PATCH", "/api/v1/nodes/n", b"[]", "application/json-patch+json")
    assert node == "kubectl --context prod patch nodes n --type json -p '[]'"
    applied = kubectl_line(chosen(), "PATCH", "/api/v1/nodes/n", b"{}", "application/apply-patch+yaml")
    assert "apply --server-side -f - <<'EOF'\n{}\nEOF" in applied


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/namespaces/a/secrets"),
        ("PUT", "/api/v1/namespaces/a/secrets/s"),
        ("PATCH", "/api/v1/namespaces/a/secrets/s"),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"),
        ("POST", "/api/v1/namespaces/a/serviceaccounts/s/token"),
    ],
)
def test_bodies_that_hold_secrets_are_not_shown(method: str, path: str) -> None:
    line = kubectl_line(chosen(), method, path, b'{"data":{"p":"canary"}}', MERGE)
    assert "canary" not in line and "FILE" in line


def test_inside_a_pod_no_context_is_named() -> None:
    assert kubectl_line(chosen("in-cluster"), "GET", "/version") == "kubectl get --raw '/version'"
