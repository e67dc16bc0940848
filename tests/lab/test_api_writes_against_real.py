"""The practice cluster's API takes what kubectl writes as a real API server does: by dry runs on both."""

from __future__ import annotations

import json
from typing import Any

import pytest
from realobjects import NOW_MINOR, Paired

from lab.api.resources import resources

pytestmark = [pytest.mark.kubernetes, pytest.mark.parametrize("both", ["flannel-2022"], indirect=True)]
MERGE, STRATEGIC, JSON = (
    f"application/{form}+json" for form in ("merge-patch", "strategic-merge-patch", "json-patch")
)
WEB = "/apis/apps/v1/namespaces/shop/deployments/win-web"
FLANNEL = "/apis/apps/v1/namespaces/kube-flannel/daemonsets/kube-flannel-ds-windows-amd64"
PUBLIC = "/api/v1/namespaces/shop/services/win-web-public"
DNS = "/api/v1/namespaces/kube-system/services/kube-dns"
NODE, CONFIG = "/api/v1/nodes/win-1", "/api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg"


def template(**pod: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": pod}}}


def flannel(**container: Any) -> dict[str, Any]:
    return template(containers=[{"name": "kube-flannel", **container}])


CHANGED: list[tuple[str, str, Any]] = [
    # labels, annotations, data
    (
        NODE,
        MERGE,
        {"metadata": {"labels": {"a": "b", "kubernetes.io/arch": None}, "annotations": {"n": "x"}}},
    ),
    (CONFIG, MERGE, {"data": {"net-conf.json": "{}", "cni-conf.json": None, "new": "x"}}),
    (CONFIG, STRATEGIC, {"data": {"$patch": "replace", "only": "this"}}),
    (CONFIG, JSON, [{"op": "replace", "path": "/data/net-conf.json", "value": "{}"}]),
    (
        CONFIG,
        JSON,
        [{"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}, {"op": "remove", "path": "/data"}],
    ),
    # taints are replaced as a whole
    (NODE, STRATEGIC, {"spec": {"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]}}),
    (NODE, STRATEGIC, {"spec": {"unschedulable": True}}),
    (NODE, STRATEGIC, {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),  # not by this way
    # containers, env, mounts, volumes are merged by their keys
    (WEB, STRATEGIC, template(containers=[{"name": "web", "image": "x:1"}])),
    (WEB, STRATEGIC, template(containers=[{"name": "side", "image": "x:1"}])),
    (
        WEB,
        STRATEGIC,
        template(
            **{"$setElementOrder/containers": [{"name": "side"}, {"name": "web"}]},
            containers=[{"name": "side", "image": "x:1", "terminationMessagePath": "/x"}],
        ),
    ),
    (WEB, STRATEGIC, {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}}),
    (WEB, STRATEGIC, template(tolerations=[{"key": "a", "operator": "Exists"}])),
    (WEB, STRATEGIC, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    (
        FLANNEL,
        STRATEGIC,
        flannel(env=[{"name": "POD_NAME", "$patch": "delete"}, {"name": "NEW", "value": "1"}]),
    ),
    (FLANNEL, STRATEGIC, flannel(env=[{"name": "CNI_BIN_PATH", "value": "C:\\x"}])),
    (
        FLANNEL,
        STRATEGIC,
        flannel(
            **{
                "$setElementOrder/env": [
                    {"name": "SERVICE_SUBNET"},
                    {"name": "NEW"},
                    {"name": "CNI_BIN_PATH"},
                ]
            },
            env=[{"name": "NEW", "value": "1"}],
        ),
    ),
    (FLANNEL, STRATEGIC, flannel(env=[{"$patch": "replace"}, {"name": "ONLY", "value": "1"}])),
    (FLANNEL, STRATEGIC, flannel(volumeMounts=[{"mountPath": "/new", "name": "flannel-cfg"}])),
    (FLANNEL, STRATEGIC, flannel(args=["-v=6"])),
    (
        FLANNEL,
        STRATEGIC,
        template(
            volumes=[{"name": "flannel-cfg", "$patch": "delete"}],
            containers=[
                {
                    "name": "kube-flannel",
                    "volumeMounts": [{"mountPath": "/mounts/kube-flannel/", "$patch": "delete"}],
                }
            ],
        ),
    ),
    (FLANNEL, STRATEGIC, template(nodeSelector={"a": "b"})),
    (FLANNEL, MERGE, template(nodeSelector={"kubernetes.io/os": None, "a": "b"})),
    # ports of a Service by their number, of a container by theirs
    (DNS, STRATEGIC, {"spec": {"ports": [{"port": 9153, "$patch": "delete"}]}}),
    (PUBLIC, STRATEGIC, {"spec": {"externalTrafficPolicy": "Local"}}),
    (PUBLIC, STRATEGIC, {"spec": {"ports": [{"port": 80, "name": "http", "nodePort": 30555}]}}),
    (PUBLIC, MERGE, {"spec": {"type": "ClusterIP"}}),
    (WEB, MERGE, {"spec": {"replicas": 5}}),
]
REFUSED: list[tuple[str, str, str, Any]] = [
    ("PATCH", NODE, "text/plain", {}),
    ("PATCH", NODE, JSON, [{"op": "test", "path": "/spec/x", "value": 1}]),
    ("PATCH", NODE, JSON, [{"op": "remove", "path": "/spec/x"}]),
    ("PATCH", NODE, JSON, {"a": 1}),
    ("PATCH", NODE, STRATEGIC, []),
    ("PATCH", NODE, MERGE, {"spec": {"podCIDR": "10.9.9.0/24"}}),
    ("PATCH", NODE, MERGE, {"metadata": {"resourceVersion": "1"}}),
    ("PATCH", WEB, MERGE, {"spec": {"template": {"metadata": {"labels": {"app": "z"}}}}}),
    ("PATCH", PUBLIC, MERGE, {"spec": {"clusterIP": "10.96.40.99"}}),
    ("PATCH", PUBLIC, STRATEGIC, {"spec": {"ports": [{"port": 80, "nodePort": 99}]}}),
    ("PATCH", "/api/v1/nodes/no-such", MERGE, {}),
    ("PUT", PUBLIC, "application/json", {"metadata": {"name": "x"}}),
    ("PUT", PUBLIC, "application/json", {"metadata": {"name": "win-web-public", "namespace": "y"}}),
    ("PUT", CONFIG, "application/json", {"metadata": {"name": "kube-flannel-cfg", "resourceVersion": "1"}}),
    ("POST", "/api/v1/namespaces/no-such/configmaps", "application/json", {"metadata": {"name": "x"}}),
    ("POST", "/api/v1/namespaces/shop/configmaps", "application/json", {"metadata": {}}),
    ("POST", "/api/v1/namespaces/shop/services", "application/json", {"metadata": {"name": "x"}}),
    (
        "POST",
        "/api/v1/namespaces/shop/services",
        "application/json",
        {"metadata": {"name": "x"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}},
    ),
    ("DELETE", "/api/v1/namespaces/shop/services/no-such", "application/json", None),
]


@pytest.mark.parametrize(("path", "form", "change"), CHANGED)
def test_a_patch_makes_the_same_object(both: Paired, path: str, form: str, change: Any) -> None:
    body = json.dumps(change).encode()
    before = both.real_speaker().done("GET", path, None)
    made = [
        _changed(before, s.done("PATCH", f"{path}?dryRun=All", body, Content_Type=form))
        for s in (both.lab_speaker(), both.real_speaker())
    ]
    assert made[0] == made[1]


def _changed(before: Any, after: Any) -> Any:
    """What is left without what a server counts, and without defaults that this lab does not fill in."""
    meta = {k: after["metadata"].get(k) for k in ("name", "labels", "annotations")}
    meta["annotations"] = {
        k: v
        for k, v in (meta["annotations"] or {}).items()
        if not k.startswith(("deployment.", "deprecated."))
    }
    return _bare({**{k: v for k, v in after.items() if k != "status"}, "metadata": meta})


_DEFAULTS = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "defaultMode": 420,
    "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    "apiVersion": "v1",
    "securityContext": {},
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "creationTimestamp": None,
}


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in _DEFAULTS or v != _DEFAULTS[k]}
        return {k: _bare(v) for k, v in kept.items() if v not in (None, {}, [])}
    return [_bare(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("method", "path", "form", "body"), REFUSED)
def test_what_a_server_refuses_is_refused_in_its_words(
    both: Paired, method: str, path: str, form: str, body: Any
) -> None:
    data = None if body is None else json.dumps(body).encode()
    ours, theirs = (
        s.send(method, path, data, Content_Type=form) for s in (both.lab_speaker(), both.real_speaker())
    )
    assert theirs.code >= 400
    assert (ours.code, ours.document) == (theirs.code, theirs.document)


def test_lists_have_the_columns_of_the_real_server(both: Paired) -> None:
    wanted = "application/json;as=Table;v=v1;g=meta.k8s.io"
    for resource in resources(NOW_MINOR):
        version = resource.group_version
        path = f"/{'apis' if '/' in version else 'api'}/{version}/{resource.plural}"
        tables = [s.done("GET", path, None, Accept=wanted) for s in (both.lab_speaker(), both.real_speaker())]
        kept = ("name", "type", "format", "priority")
        ours, theirs = ([[c[k] for k in kept] for c in t["columnDefinitions"]] for t in tables)
        assert ours == theirs, resource
        rows = [
            {
                (r["object"]["metadata"].get("namespace"), r["object"]["metadata"]["name"]): r["cells"]
                for r in t["rows"]
            }
            for t in tables
        ]
        for name in rows[0].keys() & rows[1].keys():
            for column, mine, real in zip(theirs, rows[0][name], rows[1][name], strict=True):
                moves = ("Age", "Last Seen", "First Seen", "Created At", "Kernel-Version")
                own = name == ("default", "kubernetes") and column[0] in ("Endpoints", "Ports")
                assert column[0] in moves or own or mine == real, (resource.kind, name, column[0], mine, real)


def test_discovery_promises_no_more_than_the_real_server(both: Paired) -> None:
    for version in {r.group_version for r in resources(NOW_MINOR)}:
        path = f"/{'apis' if '/' in version else 'api'}/{version}"
        ours, theirs = (
            {r["name"]: r for r in s.done("GET", path, None)["resources"]}
            for s in (both.lab_speaker(), both.real_speaker())
        )
        for name, mine in ours.items():
            assert set(mine["verbs"]) <= set(theirs[name]["verbs"]), name
            same = ("kind", "namespaced", "singularName", "group", "version", "shortNames", "categories")
            assert [mine.get(k) for k in same] == [theirs[name].get(k) for k in same], name
