"""Every way to be somebody, against a real kube-apiserver."""

from __future__ import annotations

import json
import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from apithings import Thing, Version
from realcluster import TOKENS, RealCluster, b64
from testpki import Authority

from targets.cluster import Cluster, open_cluster
from targets.errors import CredentialsExpired, PermissionDenied, Unreachable
from targets.rights import rights

pytestmark = pytest.mark.kubernetes


def as_user(
    real: RealCluster, folder: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None
) -> Cluster:
    path = folder / "config"
    path.write_text(yaml.safe_dump(real.config(user, cluster)))
    return open_cluster(path, environ={})


def test_a_client_certificate_as_data_and_as_files(real_cluster: RealCluster, tmp_path: Path) -> None:
    certificate, key = real_cluster.authority.issue("carla", groups=["system:masters"])
    data = {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}
    as_user(real_cluster, tmp_path, data).list("/api/v1/namespaces", Thing)
    (tmp_path / "own.crt").write_bytes(certificate)
    (tmp_path / "own.key").write_bytes(key)
    files = {"client-certificate": "own.crt", "client-key": "own.key"}  # relative to the kubeconfig
    as_user(real_cluster, tmp_path, files).list("/api/v1/namespaces", Thing)
    assert not list(Path("/tmp").glob("kwinnow-*"))


def test_an_expired_client_certificate_is_named_with_its_date(
    real_cluster: RealCluster, tmp_path: Path
) -> None:
    certificate, key = real_cluster.authority.issue("carla", ends=timedelta(hours=-1))
    cluster = as_user(
        real_cluster, tmp_path, {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}
    )
    with pytest.raises(CredentialsExpired, match=r"client certificate of user “somebody” .* expired on 20"):
        cluster.list("/api/v1/namespaces", Thing)


def test_a_wrong_token_is_credentials_and_never_shown(real_cluster: RealCluster, tmp_path: Path) -> None:
    cluster = as_user(real_cluster, tmp_path, {"token": "canary-wrong-token"})
    with pytest.raises(CredentialsExpired) as caught:
        cluster.list("/api/v1/namespaces", Thing)
    assert "somebody" in caught.value.what and caught.value.hint
    assert "canary" not in str(caught.value) + repr(caught.value.__context__) + repr(cluster.log.entries)
    assert [sent.outcome for sent in cluster.log.entries] == ["credentials"]


def test_a_token_file_is_read_again_after_one_401(real_cluster: RealCluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old-and-withdrawn")
    cluster = as_user(real_cluster, tmp_path, {"tokenFile": "token"})
    with pytest.raises(CredentialsExpired):
        cluster.list("/api/v1/namespaces", Thing)
    (tmp_path / "token").write_text(TOKENS["admin"] + "\n")
    before = len(cluster.log.entries)
    assert cluster.list("/api/v1/namespaces", Thing)
    assert [sent.outcome for sent in cluster.log.entries[before:]] == ["credentials", "ok"]


def test_a_new_login_in_the_kubeconfig_is_taken_up_after_one_401(
    real_cluster: RealCluster, tmp_path: Path
) -> None:
    cluster = as_user(real_cluster, tmp_path, {"token": "old"})
    (tmp_path / "config").write_text(yaml.safe_dump(real_cluster.config({"token": TOKENS["admin"]})))
    assert cluster.list("/api/v1/namespaces", Thing)


PLUGIN = """#!/bin/sh
printf x >> "{folder}/runs"
printf '%s' "$KUBERNETES_EXEC_INFO" > "{folder}/info"
printf '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":'
cat "{folder}/status"
printf '}}'
"""


def plugin(folder: Path, status: dict[str, str], **more: object) -> dict[str, Any]:
    script = folder / "plug-in"
    script.write_text(PLUGIN.format(folder=folder))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (folder / "status").write_text(json.dumps(status))
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plug-in", **more}}


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


def test_an_exec_plugin_is_run_once_and_again_after_a_401(real_cluster: RealCluster, tmp_path: Path) -> None:
    user = plugin(
        tmp_path, {"token": TOKENS["admin"]}, provideClusterInfo=True, interactiveMode="IfAvailable"
    )
    cluster = as_user(real_cluster, tmp_path, user)
    for _ in range(3):
        assert cluster.list("/api/v1/namespaces", Thing)
    assert runs(tmp_path) == 1
    info = json.loads((tmp_path / "info").read_text())
    assert info["spec"]["cluster"]["server"] == real_cluster.server
    assert info["spec"]["interactive"] is False

    (tmp_path / "status").write_text(json.dumps({"token": "canary-expired"}))
    late = as_user(real_cluster, tmp_path, user)
    with pytest.raises(CredentialsExpired) as caught:
        late.list("/api/v1/namespaces", Thing)
    assert "plug-in" in str(caught.value) and "canary" not in str(caught.value)
    assert runs(tmp_path) == 3  # at first, and once more after the 401
    (tmp_path / "status").write_text(json.dumps({"token": TOKENS["admin"]}))
    assert late.list("/api/v1/namespaces", Thing)


def test_an_exec_plugin_may_give_a_certificate_and_its_end_is_heeded(
    real_cluster: RealCluster, tmp_path: Path
) -> None:
    certificate, key = real_cluster.authority.issue("carla", groups=["system:masters"])
    status = {
        "clientCertificateData": certificate.decode(),
        "clientKeyData": key.decode(),
        "expirationTimestamp": "2000-01-01T00:00:00Z",
    }
    cluster = as_user(real_cluster, tmp_path, plugin(tmp_path, status))
    assert cluster.list("/api/v1/namespaces", Thing)
    assert runs(tmp_path) == 1


def test_many_threads_share_one_cluster_and_renew_once(real_cluster: RealCluster, tmp_path: Path) -> None:
    user = plugin(tmp_path, {"token": "withdrawn"})
    cluster = as_user(real_cluster, tmp_path, user)
    with pytest.raises(CredentialsExpired):
        cluster.get("/version", Version)  # /version is open to all, a wrong token is refused all the same
    (tmp_path / "status").write_text(json.dumps({"token": TOKENS["admin"]}))
    before = runs(tmp_path)
    results: list[int] = []
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait(20)
        results.append(len(cluster.list("/api/v1/namespaces", Thing)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 8 and min(results) > 0
    assert runs(tmp_path) == before + 1


def test_trust_is_checked_and_each_distrust_has_its_sentence(
    real_cluster: RealCluster, tmp_path: Path
) -> None:
    user = {"token": TOKENS["admin"]}
    other = {"certificate-authority-data": b64(Authority.create().certificate)}
    with pytest.raises(Unreachable, match="not signed by the certificate-authority of the kubeconfig"):
        as_user(real_cluster, tmp_path, user, other).get("/version", Version)
    with pytest.raises(Unreachable, match=r"is for other names .asked for: elsewhere.example") as caught:
        as_user(real_cluster, tmp_path, user, {"tls-server-name": "elsewhere.example"}).get(
            "/version", Version
        )
    assert "tls-server-name" in caught.value.hint
    as_user(real_cluster, tmp_path, user, {"tls-server-name": "kubernetes"}).get("/version", Version)
    insecure = {"certificate-authority-data": None, "insecure-skip-tls-verify": True}
    as_user(real_cluster, tmp_path, user, insecure).get("/version", Version)
    with pytest.raises(Unreachable, match="not signed by the system's authorities"):
        as_user(real_cluster, tmp_path, user, {"certificate-authority-data": None}).get("/version", Version)


def test_impersonation_goes_with_each_request(real_cluster: RealCluster, tmp_path: Path) -> None:
    user = {"token": TOKENS["admin"], "as": "nobody-in-particular"}
    with pytest.raises(PermissionDenied):
        as_user(real_cluster, tmp_path, user).list("/api/v1/nodes", Thing)
    groups = {"as-groups": ["some-group", "system:masters"]}
    assert as_user(real_cluster, tmp_path, user | groups).list("/api/v1/namespaces", Thing)


def test_rights_that_the_server_cannot_list_are_incomplete(real_cluster: RealCluster, tmp_path: Path) -> None:
    user = {"token": TOKENS["admin"], "as": "system:node:n", "as-groups": ["system:nodes"]}
    node = rights(as_user(real_cluster, tmp_path, user))
    assert node.incomplete and "node authorizer" in node.evaluation_error
    assert not rights(open_cluster(real_cluster.kubeconfig("stranger"), environ={})).incomplete
