"""The logs of flannel's pods: one that cannot be read leaves the others their say."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any, cast

import pytest

from facts.access import ThisNode
from facts.cluster.flannel import FlannelDaemons
from facts.cluster.objects import Condition, Container, Metadata, NodeObject, PodObject, PodSpec, PodStatus
from facts.cluster.reading import read_each
from facts.derived.flanneld_words import FlanneldWords
from facts.fact import Failed, NotApplicable
from facts.node.kubernetes import LogTail, NodeLogs
from targets.errors import CredentialsExpired, DeadlineExceeded, TargetError, Unreachable
from targets.target import ClusterTarget

LINE = "I0102 03:04:05.000000    3728 vxlan_linux.go:50] VXLAN config: VNI=4096 Port=4789 GBP=false"


class Api:
    """An API server that has no way to the kubelets of `silent`."""

    def __init__(
        self, silent: Collection[str], error: type[TargetError] = Unreachable, log: str = LINE + "\n"
    ) -> None:
        self.silent, self.error, self.log = silent, error, log

    def list(self, path: str, kind: type[Any]) -> list[PodObject]:
        if "kube-flannel" not in path:
            return []
        return [
            PodObject(
                Metadata(f"kube-flannel-{node}", "kube-flannel"),
                PodSpec(node_name=node, containers=(Container("kube-flannel", "flannel"),)),
                PodStatus(conditions=(Condition("Ready", "True"),)),
            )
            for node in ("cp-1", "win-1")
        ]

    def text(self, path: str, *, params: dict[str, str]) -> str:
        if any(node in path for node in self.silent):
            raise self.error("connect: connection refused", "Look at the kubelet.")
        lines = self.log.splitlines(keepends=True)
        chosen = "".join(lines[-int(params["tailLines"]) :] if "tailLines" in params else lines)
        return chosen.encode()[: int(params["limitBytes"])].decode(errors="ignore")


def asked(api: Api) -> FlannelDaemons | NotApplicable:
    return FlannelDaemons.ask(cast(ClusterTarget, api))


def test_a_windows_pod_that_says_nothing_leaves_linux_its_words() -> None:
    found = asked(Api({"win-1"}))
    assert isinstance(found, FlannelDaemons)
    linux, windows = found.on("cp-1"), found.on("win-1")
    assert linux is not None and (linux.vni, linux.port, linux.error) == (4096, 4789, "")
    assert windows is not None and windows.vni is None
    assert (windows.error, windows.hint) == ("connect: connection refused", "Look at the kubelet.")


def test_it_fails_where_no_log_can_be_read() -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        asked(Api({"win-1", "cp-1"}))


def test_it_fails_at_once_where_the_credentials_have_expired() -> None:
    with pytest.raises(CredentialsExpired):
        asked(Api({"win-1"}, CredentialsExpired))


def test_the_words_of_that_node_come_from_its_files_or_are_not_known() -> None:
    node, daemons = ThisNode(NodeObject(Metadata("win-1"))), asked(Api({"win-1"}))
    file = LogTail("flanneld", r"C:\var\log\pods\flannel\0.log", None, "said on the node")
    there = FlanneldWords.derive(node, daemons, NodeLogs((file,)))
    assert isinstance(there, FlanneldWords) and there.lines == ("said on the node",)
    unknown = FlanneldWords.derive(node, daemons, Failed("unreachable", "no way in"))
    assert isinstance(unknown, Failed) and unknown.why == "connect: connection refused"


@pytest.mark.parametrize("between", [100_000, 2_300], ids=["far too long", "a little too long"])
def test_of_a_long_log_both_ends_are_read(between: int) -> None:
    """The beginning says with which VNI it runs, the end why it does not any more."""
    middle = [
        f"I0102 03:04:05.{i:06} 3728 lease.go:1] Lease renewed, and much said of it, as \u00e4lways {'.' * 40}"
        for i in range(between)
    ]
    end = "E0103 03:04:05.000000    3728 main.go:380] the last word"
    found = asked(Api((), log="\n".join([LINE, *middle, end]) + "\n"))
    assert isinstance(found, FlannelDaemons)
    daemon = found.daemons[0]
    assert (daemon.vni, daemon.port, daemon.errors) == (4096, 4789, (end,))
    assert daemon.tail.splitlines() == [*middle[-39:], end], "nothing twice, nothing cut"


def test_what_older_flannel_says_on_windows() -> None:
    said = "I0102 03:04:05.0 3728 vxlan_windows.go:118] VXLAN config: {Name:flannel.4096 MacPrefix:0E-2A VNI:4096 "
    said += "Port:4789 GBP:false DirectRouting:false}\n"
    found = asked(Api((), log=said))
    assert isinstance(found, FlannelDaemons) and (found.daemons[0].vni, found.daemons[0].port) == (4096, 4789)


def test_a_log_that_does_not_come_holds_nobody_back() -> None:
    may_end = threading.Event()

    def read(name: str) -> str:
        if name == "hangs":
            may_end.wait(60)
        if name == "refused":
            raise Unreachable("connect: connection refused", "Look at the kubelet.")
        return name.upper()

    try:
        told = read_each(["a", "hangs", "refused", "b"], read, at_once=2, seconds=0.5)
    finally:
        may_end.set()
    assert told[0] == "A" and told[3] == "B"
    assert isinstance(told[1], DeadlineExceeded) and "within 0.5 s" in told[1].what
    assert isinstance(told[2], Unreachable)


def test_an_unread_log_leaves_the_pods_status() -> None:
    found = asked(Api({"win-1"}))
    assert isinstance(found, FlannelDaemons)
    assert [(d.node, bool(d.error), d.ready) for d in found.daemons] == [
        ("cp-1", False, True),
        ("win-1", True, True),
    ]
