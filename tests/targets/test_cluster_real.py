"""The cluster wire against a real kube-apiserver."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from apithings import Thing, Version
from realcluster import RealCluster, b64

from targets.api_errors import ApiError
from targets.cluster import Cluster, open_cluster
from targets.errors import MalformedAnswer, NotFound, PermissionDenied
from targets.rights import permission, rights

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def admin(real_cluster: RealCluster) -> Iterator[Cluster]:
    cluster = open_cluster(real_cluster.kubeconfig("admin"), environ={})
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def crowded(real_cluster: RealCluster) -> str:
    """A namespace with 1,203 config maps: three pages."""
    cluster = open_cluster(real_cluster.kubeconfig("admin"), environ={})
    made = cluster.create("/api/v1/namespaces", _namespace("crowded-"), Thing).metadata.name
    for number in range(1203):
        body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": f"c-{number:04}"}}
        cluster.create(f"/api/v1/namespaces/{made}/configmaps", body, Thing)
    return made


def _namespace(prefix: str) -> dict[str, Any]:
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"generateName": prefix}}


def test_a_token_reads_and_the_commands_can_be_pasted(admin: Cluster, real_cluster: RealCluster) -> None:
    version = admin.get("/version", Version)
    assert version.git_version.startswith("v1.")
    sent = admin.log.entries[-1]
    assert (
        sent.text == f"kubectl --kubeconfig {real_cluster.kubeconfig()} --context real get --raw '/version'"
    )
    assert (sent.outcome, sent.target) == ("ok", "real")
    assert sent.ms > 0
    assert "gitVersion" in real_cluster.kubectl("get", "--raw", "/version")


def test_a_list_comes_in_pages_of_500_complete_and_in_order(admin: Cluster, crowded: str) -> None:
    before = len(admin.log.entries)
    things = admin.list(f"/api/v1/namespaces/{crowded}/configmaps", Thing)
    assert [thing.metadata.name for thing in things] == [f"c-{number:04}" for number in range(1203)]
    pages = admin.log.entries[before:]
    assert len(pages) == 3
    assert all("limit=500" in page.text for page in pages)
    assert ["continue=" in page.text for page in pages] == [False, True, True]


def test_an_empty_list_and_a_selector(admin: Cluster, crowded: str) -> None:
    path = f"/api/v1/namespaces/{crowded}/configmaps"
    assert admin.list(path, Thing, params={"labelSelector": "none=such"}) == []
    chosen = admin.list(path, Thing, params={"fieldSelector": "metadata.name=c-0007"})
    assert [thing.metadata.name for thing in chosen] == ["c-0007"]


def test_a_continue_token_that_the_server_has_forgotten_is_a_410(
    admin: Cluster, real_cluster: RealCluster, crowded: str
) -> None:
    old = json.dumps({"v": "meta.k8s.io/v1", "rv": 2, "start": "a\x00"}, separators=(",", ":"))
    token = b64(old.encode()).rstrip("=")
    real_cluster.compact()
    with pytest.raises(ApiError) as caught:
        admin.get(f"/api/v1/configmaps?limit=5&continue={token}", Thing)
    assert (caught.value.http_status, caught.value.reason) == (410, "Expired")


def test_writing_conflicting_patching_and_deleting(admin: Cluster) -> None:
    namespace = admin.create("/api/v1/namespaces", _namespace("write-"), Thing).metadata.name
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body: dict[str, Any] = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "c"},
        "data": {"a": "1"},
    }
    admin.create(path, body, Thing)
    with pytest.raises(ApiError) as caught:
        admin.create(path, body, Thing)
    assert (caught.value.http_status, caught.value.reason) == (409, "AlreadyExists")
    patched = admin.request(
        "PATCH",
        f"{path}/c",
        dict[str, Any],
        body={"data": {"b": "2"}},
        content_type="application/merge-patch+json",
    )
    assert patched["data"] == {"a": "1", "b": "2"}
    stale = {**body, "metadata": {"name": "c", "resourceVersion": "1"}}
    with pytest.raises(ApiError) as conflict:
        admin.request("PUT", f"{path}/c", Thing, body=stale)
    assert conflict.value.reason == "Conflict"
    admin.request("DELETE", f"{path}/c", dict[str, Any])
    with pytest.raises(NotFound):
        admin.get(f"{path}/c", Thing)


def test_the_pasteable_lines_of_writes_are_taken_by_kubectl(
    admin: Cluster, real_cluster: RealCluster
) -> None:
    namespace = admin.create("/api/v1/namespaces", _namespace("paste-"), Thing).metadata.name
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "it's"}, "data": {"a": "x'y"}}
    with pytest.raises(ApiError):  # an apostrophe is no name; it must survive the shell all the same
        admin.create(path, body, Thing)
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"a": "x'y"}}
    admin.create(path, body, Thing, deadline=None)
    create = admin.log.entries[-1].text
    admin.request(
        "PATCH",
        f"{path}/c",
        Thing,
        body={"data": {"a": "it's"}},
        content_type="application/merge-patch+json",
    )
    patch = admin.log.entries[-1].text
    admin.request("DELETE", f"{path}/c", dict[str, Any])
    delete = admin.log.entries[-1].text
    for line in (create, patch, delete):
        ran = subprocess.run(
            ["bash", "-c", line],
            env={"PATH": f"{real_cluster.programs}:/usr/bin:/bin", "HOME": real_cluster.folder},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, (line, ran.stderr)
        if line == patch:
            assert admin.get(f"{path}/c", dict[str, Any])["data"] == {"a": "it's"}
    with pytest.raises(NotFound):
        admin.get(f"{path}/c", Thing)


def test_a_shape_that_does_not_fit_names_the_field(admin: Cluster) -> None:
    class Wrong(msgspec.Struct):
        major: int

    with pytest.raises(MalformedAnswer, match=r"\$\.major"):
        admin.get("/version", Wrong)


def test_text_is_cut_at_its_limit(admin: Cluster) -> None:
    whole = admin.text("/openapi/v2", limit=1 << 24)
    assert admin.text("/openapi/v2", limit=1000) == whole[:1000]
    assert admin.text("/livez", params={"verbose": ""}).endswith("livez check passed\n")


def test_few_rights_give_a_403_with_verb_and_resource(real_cluster: RealCluster) -> None:
    stranger = open_cluster(real_cluster.kubeconfig("stranger"), environ={})
    cases = [
        (lambda: stranger.list("/api/v1/nodes", Thing), "list", "nodes"),
        (lambda: stranger.text("/api/v1/namespaces/kube-system/pods/p/log"), "get", "pods/log"),
        (lambda: stranger.get("/apis/apps/v1/namespaces/x/daemonsets/d", Thing), "get", "daemonsets.apps"),
        (lambda: stranger.create("/api/v1/namespaces", _namespace("no-"), Thing), "create", "namespaces"),
    ]
    for ask, verb, resource in cases:
        with pytest.raises(PermissionDenied) as caught:
            ask()
        assert (caught.value.verb, caught.value.resource) == (verb, resource)
        assert verb in caught.value.what and resource in caught.value.what
    assert stranger.log.entries[-1].outcome == "permission-denied"


def test_rights_are_known_before_they_bite(admin: Cluster, real_cluster: RealCluster) -> None:
    namespace = admin.create("/api/v1/namespaces", _namespace("rights-"), Thing).metadata.name
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    subject = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "readers"}

    def grant(kind: str, where: str, rules: list[dict[str, Any]]) -> None:
        name = f"readers-{namespace}"
        made = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
        plural = "clusterroles" if kind == "ClusterRole" else "roles"
        admin.create(f"{rbac}{where}/{plural}", {**made, "kind": kind, "rules": rules}, Thing)
        bound = {
            **made,
            "kind": f"{kind}Binding",
            "subjects": [subject],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        }
        admin.create(f"{rbac}{where}/{plural.removesuffix('s')}bindings", bound, Thing)

    grant(
        "ClusterRole",
        "",
        [
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]},
            {"nonResourceURLs": ["/logs/*"], "verbs": ["get"]},
        ],
    )
    grant(
        "Role",
        f"/namespaces/{namespace}",
        [
            {"apiGroups": [""], "resources": ["pods", "*/log"], "verbs": ["*"]},
            {"apiGroups": ["apps"], "resources": ["daemonsets"], "resourceNames": ["one"], "verbs": ["get"]},
        ],
    )
    reader = open_cluster(real_cluster.kubeconfig("reader"), environ={})
    there, whole = rights(reader, namespace), rights(reader)
    assert there.allows("list", "", "nodes") and whole.allows("list", "", "nodes")
    assert not whole.allows("watch", "", "nodes")
    assert there.allows("delete", "", "pods") and not whole.allows("delete", "", "pods")
    assert there.allows("get", "", "pods/log") and not there.allows("get", "", "pods/exec")
    assert there.allows("get", "apps", "daemonsets", "one")
    assert not there.allows("get", "apps", "daemonsets", "two")
    assert not there.allows("get", "apps", "daemonsets")
    assert not there.allows("list", "apps", "pods")
    assert whole.allows_url("get", "/logs/kubelet.log") and not whole.allows_url("get", "/secret")
    assert rights(admin).allows("anything", "any.group", "things/sub")
    assert permission(reader, "list", "", "nodes").allowed
    assert not permission(reader, "list", "", "pods").allowed
    assert permission(reader, "get", "", "pods/log", namespace).allowed
    # Whatever the rights say is what the server does.
    assert isinstance(reader.list("/api/v1/nodes", Thing), list)
    with pytest.raises(PermissionDenied):
        reader.list("/api/v1/pods", Thing)
