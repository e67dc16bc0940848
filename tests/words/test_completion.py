"""What the shell offers after the names of words: ids, facts, faults and contexts, with no cluster at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: b, user: {token: t}}]
contexts: [{name: prod-eu, context: {cluster: a, user: b}}, {name: staging, context: {cluster: a, user: b}}]
"""


def offered(words: str, kubeconfig: Path) -> list[str]:
    """What the completion script of bash gets for a line whose last word is being typed."""
    environ = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    environ |= {"_KWINNOW_COMPLETE": "bash_complete", "KUBECONFIG": str(kubeconfig), "PATH": ""}
    command = [sys.executable, "-c", "from tui.cli import main; main()"]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    return [line.removeprefix("plain,") for line in ran.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "some", "none"),
    [
        ("kwinnow ch", "checks", "lab"),
        ("kwinnow checks show cni.flannel.v", "cni.flannel.vni", "cni.none"),
        ("kwinnow fix cni", "cni.flannel.firewall-4789", "cni.none"),
        ("kwinnow facts hn", "hns", "pods"),
        ("kwinnow lab --plant cni.flannel.v", "cni.flannel.vni:one", "slow"),
        ("kwinnow lab --scenario flannel", "flannel-2019", "classic-2019"),
        ("kwinnow check --context pr", "prod-eu", "staging"),
    ],
)
def test_ids_and_names_are_offered(words: str, some: str, none: str, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    answers = offered(words, kubeconfig)
    assert some in answers
    assert none not in answers


def test_a_broken_kubeconfig_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("{")
    assert offered("kwinnow check --context p", kubeconfig) == []
