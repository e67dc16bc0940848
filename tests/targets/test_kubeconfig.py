"""Kubeconfig files, good and bad."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from targets.kubeconfig import IN_CLUSTER, KubeconfigError, choose, in_cluster, load

CANARY = "canary-0a1b2c3d4e5f60718293"


def document(name: str = "a", **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": f"{name}-cluster", "cluster": {"server": f"https://{name}:6443"}}],
        "users": [{"name": f"{name}-user", "user": {"token": CANARY}}],
        "contexts": [
            {
                "name": name,
                "context": {"cluster": f"{name}-cluster", "user": f"{name}-user", "namespace": "web"},
            }
        ],
    }
    return whole | changes


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def failure(
    path: Path | None, context: str | None = None, environ: dict[str, str] | None = None
) -> KubeconfigError:
    with pytest.raises(KubeconfigError) as caught:
        choose(path, context, environ or {})
    assert CANARY not in str(caught.value)
    return caught.value


def test_a_context_is_chosen_with_all_it_names(tmp_path: Path) -> None:
    file = write(tmp_path / "config", document())
    chosen = choose(file, environ={})
    assert (chosen.context, chosen.namespace, chosen.cluster.server) == ("a", "web", "https://a:6443")
    assert chosen.user.token == CANARY
    assert chosen.kubectl_flags == ("--kubeconfig", str(file), "--context", "a")
    assert CANARY not in repr(chosen)


def test_a_list_of_files_is_merged_and_the_first_to_name_a_thing_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "1" / "config", document("a"))
    other = document("b")
    other["clusters"].append({"name": "a-cluster", "cluster": {"server": "https://not-this:1"}})
    other["users"][0]["user"] = {"tokenFile": "token"}
    second = write(tmp_path / "2" / "config", other)
    listed = os.pathsep.join([str(tmp_path / "missing"), str(first), "", str(second)])
    config = load(environ={"KUBECONFIG": listed})
    assert [(info.name, info.server, info.current) for info in config.contexts()] == [
        ("a", "https://a:6443", True),
        ("b", "https://b:6443", False),
    ]
    chosen = config.choose("b")
    assert chosen.user_folder == second.parent
    assert chosen.kubectl_flags == ("--context", "b")


def test_an_empty_file_in_a_list_is_passed_over(tmp_path: Path) -> None:
    empty, good = write(tmp_path / "empty", ""), write(tmp_path / "good", document())
    assert load(environ={"KUBECONFIG": f"{empty}{os.pathsep}{good}"}).current == "a"


def test_the_default_is_in_the_home_folder(tmp_path: Path) -> None:
    write(tmp_path / ".kube" / "config", document("home"))
    assert choose(environ={"HOME": str(tmp_path)}).context == "home"


def test_nulls_are_absent_as_for_kubectl(tmp_path: Path) -> None:
    loose = document(users=None)
    loose["contexts"][0]["context"] = {"cluster": "a-cluster", "namespace": None}
    chosen = choose(write(tmp_path / "config", loose), environ={})
    assert (chosen.namespace, chosen.user_name, chosen.user.token) == ("default", "", "")


def test_no_kubeconfig_at_all_says_where_it_was_looked_for(tmp_path: Path) -> None:
    error = failure(None, environ={"HOME": str(tmp_path)})
    assert str(tmp_path / ".kube" / "config") in error.what and "--kubeconfig" in error.hint
    assert "does not exist" in failure(tmp_path / "none").what
    assert "$KUBECONFIG" in failure(None, environ={"KUBECONFIG": str(tmp_path / "none")}).what


def test_files_that_cannot_be_used_are_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "config"
    for content, said in (
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        (f"users:\n  - token: [{CANARY}\n  x: y\n", "not YAML, line 3"),
        (f"token: *{CANARY}\n", "not YAML, line 1"),
        ("just text", "not a kubeconfig"),
        ("- a\n- list\n", "not a kubeconfig"),
        ({"contexts": "none"}, r"`$.contexts`"),
        ({"users": [{"name": "u", "user": {"token": ["x", CANARY]}}]}, r"`$.users[0].user.token`"),
        ({"contexts": [{"context": {}}]}, "missing required field `name`"),
    ):
        write(file, content)
        error = failure(file)
        assert said in error.what and str(file) in error.what, error.what
        assert error.hint
    file.write_bytes(b"\xff\xfe\x00binary")
    assert "is not text" in failure(file).what
    assert "is a folder" in failure(tmp_path).what


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "config", document())

    def refuse(*_: object, **__: object) -> str:  # chmod does not stop root, who runs tests in containers
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    error = failure(file)
    assert "permission denied" in error.what and "ls -l" in error.hint


def test_contexts_that_lead_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "config"
    write(file, document("production"))
    error = failure(file, "prodction")
    assert "no context “prodction”" in error.what and "Did you mean “production”?" in error.hint
    write(file, document("a", **{"current-context": ""}))
    error = failure(file)
    assert "no current-context" in error.what and "Known contexts: a." in error.hint
    write(file, document("a", **{"current-context": "gone"}))
    assert "no current-context “gone”" in failure(file).what
    for missing in ("clusters", "users"):
        write(file, document("a", **{missing: []}))
        error = failure(file)
        assert f"names the {missing[:-1]} “a-{missing[:-1]}”, which is not there" in error.what
    write(file, document("a", clusters=[{"name": "a-cluster", "cluster": {}}]))
    assert "has no server" in failure(file).what
    write(file, document("a", contexts=[{"name": "a", "context": {}}]))
    assert "names no cluster" in failure(file).what
    assert load(file).contexts()[0].server == ""  # a list of contexts can still be shown


def test_inside_a_pod_the_service_account_is_used(tmp_path: Path) -> None:
    for name, text in (("token", "tok"), ("namespace", "kwinnow"), ("ca.crt", "x")):
        write(tmp_path / name, text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    chosen = in_cluster(environ, tmp_path)
    assert chosen is not None
    assert (chosen.context, chosen.namespace) == (IN_CLUSTER, "kwinnow")
    assert chosen.cluster.server == "https://[fd00::1]:6443"
    assert chosen.user.token_file == str(tmp_path / "token")
    assert in_cluster({}, tmp_path) is None
    assert in_cluster(environ, tmp_path / "none") is None


def test_listing_contexts_loads_neither_the_official_client_nor_urllib3(tmp_path: Path) -> None:
    file = write(tmp_path / "config", document())
    program = (
        "import sys, pathlib; from targets.kubeconfig import load; "
        f"print([c.name for c in load(pathlib.Path({str(file)!r})).contexts()], "
        "[m for m in ('kubernetes', 'urllib3', 'cryptography') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['a'] []"


def test_talking_to_a_cluster_does_not_load_the_official_client() -> None:
    program = (
        "import sys, targets.cluster, targets.watch, targets.pod_logs; print('kubernetes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
