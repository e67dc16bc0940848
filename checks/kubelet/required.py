"""Settings of the kubelet that Windows does not forgive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from checks.cases import Change, Draft, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.edits import kubelet_config, kubelet_flags, service
from checks.finding import ERROR, CannotTell, Problem, Said
from checks.kubelet.settings import doubt, final_lines
from checks.relations import kubelet_silent
from checks.versions import minor
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact, Failed
from facts.node.kubernetes import Kubelet, LogTail, NodeLogs
from facts.node.parsing import flags_of
from facts.node.windows import Services

ENDS_KUBELET = [
    cause_of("kubelet.nssm-paused"),
    cause_of("kubelet.not-running"),
    cause_of("node.notready", when=kubelet_silent),
]

# Flag → the first minor version of 1.x whose kubelet ends with `unknown flag`.
REMOVED = {
    "allow-privileged": 15,
    "network-plugin": 24,
    "cni-bin-dir": 24,
    "cni-conf-dir": 24,
    "image-pull-progress-deadline": 24,
    "log-dir": 26,
    "logtostderr": 26,
    "log-file": 26,
    "container-runtime": 27,
    "pod-infra-container-image": 35,
}
_UNKNOWN = re.compile(r"unknown flag: --([a-z0-9-]+)")


def _died_of(flag: str) -> Any:
    def apply(draft: Draft) -> None:
        line = f'E0102 03:04:05.0 412 run.go:72] "command failed" err="unknown flag: --{flag}"'
        draft.put(NodeLogs, NodeLogs((LogTail("kubelet", r"C:\k\kubelet.log", None, line),)))

    return apply


def _through_log_runner(draft: Draft) -> None:
    """The service starts the kubelet by kube-log-runner, as GCE and OpenShift do, and stands still."""
    line = r"C:\k\kube-log-runner.exe -log-file=C:\var\log\kubelet.log C:\k\kubelet.exe --v=2"
    fields(Kubelet, arguments=line, found_in="service", flags=flags_of(line))(draft)


@check(
    "kubelet.flags-removed",
    title="The kubelet is started with flags that it has",
    severity=ERROR,
    explains=ENDS_KUBELET,
    cases=[
        Case("a flag of dockershim", FLANNEL_2022, (kubelet_flags(network_plugin="cni"),), finds="node"),
        Case(
            "the pause image on 1.35",
            FLANNEL_2022,
            (kubelet_flags(pod_infra_container_image="pause:3.10"), fields(Kubelet, version="v1.35.0")),
            finds="node",
        ),
        Case(
            "one that the table does not have",
            FLANNEL_2022,
            (_died_of("keep-terminated-pod-volumes"), service("kubelet", state="Paused")),
            finds="node",
        ),
        Case(
            "said before it was mended", FLANNEL_2022, (_died_of("keep-terminated-pod-volumes"),), quiet=True
        ),
        Case("kube-log-runner's own -log-file", FLANNEL_2022, (_through_log_runner,), quiet=True),
        Case("1.18 still has them", CLASSIC_2019, (kubelet_flags(network_plugin="cni"),), quiet=True),
        Case("arguments not known", FLANNEL_2022, (fields(Kubelet, arguments="", flags={}),), unknown=True),
    ],
)
def flags_removed(
    node: ThisNode, kubelet: Kubelet, services: Services | Failed, logs: NodeLogs | Failed
) -> Iterator[Said]:
    """A kubelet that is given a flag it does not know ends at once with `unknown flag`.

    Rule: by version: from 1.15 --allow-privileged; from 1.24 --network-plugin, --cni-bin-dir, --cni-conf-dir and
    --image-pull-progress-deadline; from 1.26 --log-dir, --logtostderr and --log-file; from 1.27 --container-runtime;
    from 1.35 --pod-infra-container-image. Also every flag that the kubelet itself called unknown, while it stands
    still.
    Remedy: Take the flag out of where it stands (`nssm get kubelet AppParameters`, C:\\k\\StartKubelet.ps1,
    C:\\var\\lib\\kubelet\\kubeadm-flags.env, start-kubelet.ps1), then `Restart-Service kubelet`. The pause image
    belongs in containerd's config.toml.
    Confused with: a wrong value of a flag that exists.
    Source: https://github.com/kubernetes/kubernetes/pull/133779; kubernetes-sigs/sig-windows-tools, PrepareNode.ps1;
    microsoft/SDN, helper.psm1.
    """
    version = kubelet.version or node.object.status.node_info.kubelet_version
    number = minor(version)
    last = final_lines(services, logs)
    told = next((m.group(1) for line in last if (m := _UNKNOWN.search(line))), "")
    gone = [f for f in kubelet.flags if number is not None and REMOVED.get(f, 1000) <= number]
    if told and told not in gone:
        gone.append(told)
    if gone:
        proof: dict[type[Fact], str] = {
            Kubelet: f"{kubelet.found_in}: {', '.join(f'--{f}' for f in gone)}; version {version}"
        }
        if told:
            proof[NodeLogs] = f"unknown flag: --{told}"
        names = ", ".join(f"--{f}" for f in gone)
        yield Problem(
            f"kubelet {version} on {node.name} does not know {names}, and is started with it.", proof=proof
        )
    elif not kubelet.arguments:
        yield CannotTell(f"With which arguments the kubelet on {node.name} is started is not known.")


def _plain(value: Any) -> Any:
    """A flag's text without the quotation marks that scripts put around it."""
    return value.strip().strip("\"'") if isinstance(value, str) else value


_WARNS_SINCE = 31  # from here on Windows' kubelet ignores Linux' values, and takes `none` for nothing
_REFUSED = re.compile(
    r"invalid configuration: (cgroupsPerQOS|enforceNodeAllocatable) \(.*?\bnot supported\b", re.I
)


def _wrong(kubelet: Kubelet, version: int | None) -> list[str]:
    """The settings that are missing or not as Windows needs them; the first two end the kubelet."""
    found: list[str] = []
    warns = version is not None and version >= _WARNS_SINCE
    cgroups = _plain(kubelet.setting("cgroups-per-qos", "cgroupsPerQOS"))
    off = str(cgroups).lower() == "false"
    if not off and not warns:
        found.append(f"cgroupsPerQOS must be false and is {'not set' if cgroups is None else cgroups}")
    enforce = _plain(kubelet.setting("enforce-node-allocatable", "enforceNodeAllocatable"))
    items = enforce.split(",") if isinstance(enforce, str) else enforce
    nothing = ("", "none") if warns else ("",)
    if (off or not warns) and (items is None or any(str(i) not in nothing for i in items)):
        said = "not set, which means [pods]" if enforce is None else enforce
        found.append(f"enforceNodeAllocatable must be empty and is {said}")
    if kubelet.setting("resolv-conf", "resolvConf") is None:
        found.append("resolvConf must be empty and is not set, so that it is /etc/resolv.conf")
    return found


_SETTINGS = ("cgroups-per-qos", "enforce-node-allocatable", "resolv-conf")


def _drop_ins(draft: Draft) -> None:
    """All settings stand in files of a folder, as RKE2 has it since 1.32."""
    line = (
        r"kubelet.exe --config-dir=C:\var\lib\rancher\rke2\agent\etc\kubelet.conf.d --kubeconfig=C:\k\config"
    )
    fields(Kubelet, arguments=line, flags=flags_of(line), config_exists=False, config={}, config_path="")(
        draft
    )


def _died_saying(words: str) -> Any:
    def apply(draft: Draft) -> None:
        line = f'E0102 03:04:05.0 4 run.go:72] "command failed" err="failed to validate kubelet configuration: {words}'
        draft.put(NodeLogs, NodeLogs((LogTail("kubelet", r"C:\k\kubelet.log", None, line),)))
        service("kubelet", state="Paused")(draft)

    return apply


_OLD = fields(Kubelet, version="v1.30.4")


@check(
    "kubelet.windows-required-args",
    title="The kubelet has the settings that Windows needs",
    severity=ERROR,
    explains=ENDS_KUBELET,
    cases=[
        Case(
            "a Linux configuration",
            FLANNEL_2022,
            (_OLD, kubelet_config(cgroupsPerQOS=True, enforceNodeAllocatable=["pods"])),
            finds="node",
        ),
        Case(
            "a Linux configuration, of which 1.31 only warns",
            FLANNEL_2022,
            (kubelet_config(cgroupsPerQOS=True, enforceNodeAllocatable=["pods"]),),
            quiet=True,
        ),
        Case("half of it", FLANNEL_2022, (kubelet_config(enforceNodeAllocatable=None),), finds="node"),
        Case(
            "the kubelet itself says so",
            FLANNEL_2022,
            (
                _died_saying(
                    "[invalid configuration: CgroupsPerQOS (--cgroups-per-qos) true is not supported"
                ),
            ),
            finds="node",
        ),
        Case("nothing said", FLANNEL_2019, (_OLD, kubelet_config(cgroupsPerQOS=None)), finds="node"),
        Case("the flag is gone", CLASSIC_2019, (kubelet_flags(resolv_conf=None),), finds="node"),
        Case("none is nothing", FLANNEL_2022, (kubelet_config(enforceNodeAllocatable=["none"]),), quiet=True),
        Case(
            "none was a value", CLASSIC_2019, (kubelet_flags(enforce_node_allocatable="none"),), finds="node"
        ),
        Case(
            "flags instead of the file",
            CLASSIC_2019,
            (kubelet_flags(cgroups_per_qos="false", enforce_node_allocatable='""'),),
            quiet=True,
        ),
        Case("a folder of files", FLANNEL_2022, (_drop_ins,), unknown=True),
        Case(
            "a file that cannot be read",
            FLANNEL_2022,
            (fields(Kubelet, config={}, config_error="line 3"),),
            unknown=True,
        ),
        Case("not known", FLANNEL_2022, (fails(Kubelet),), unknown=True),
    ],
)
def windows_required(
    node: ThisNode, kubelet: Kubelet, services: Services | Failed, logs: NodeLogs | Failed
) -> Iterator[Said]:
    """Control groups and resolv.conf do not exist on Windows: with Linux' values the kubelet ends, or no pod starts.

    Rule: in force (flag before file) must be cgroupsPerQOS false, enforceNodeAllocatable empty, and resolvConf set (to
    "" as a rule). What is not set has Linux' default. From 1.31 cgroupsPerQOS true is only warned of, none counts as
    empty, and what still ends the kubelet is cgroupsPerQOS false with enforceNodeAllocatable left at [pods]. Also
    whatever the kubelet itself called an invalid configuration of these two, while it stands still.
    Remedy: In C:\\var\\lib\\kubelet\\config.yaml set `cgroupsPerQOS: false`, `enforceNodeAllocatable: []` and
    `resolvConf: ""`, or give the flags `--cgroups-per-qos=false --enforce-node-allocatable="" --resolv-conf=""`; then
    `Restart-Service kubelet`.
    Confused with: kubelet.resolvconf-invalid, where the setting is there and wrong.
    Source: kubernetes/kubernetes, pkg/kubelet/apis/config/validation (`… is not supported on Windows`) and
    pkg/kubelet/types/constants.go; https://github.com/kubernetes/kubernetes/pull/123137 and /124268 (1.31);
    microsoft/SDN, helper.psm1; kubernetes-sigs/sig-windows-tools, PrepareNode.ps1.
    """
    said = next((m for line in final_lines(services, logs) if (m := _REFUSED.search(line))), None)
    if said is not None:
        yield Problem(
            f"The kubelet on {node.name} refuses its settings and ends: {said.string[said.start() :][:200]}",
            proof={NodeLogs: said.string[said.start() :][:300]},
        )
        return
    unread = next((why for flag in _SETTINGS if (why := doubt(kubelet, node.name, flag))), "")
    if unread:
        yield CannotTell(unread)
        return
    wrong = _wrong(kubelet, minor(kubelet.version or node.object.status.node_info.kubelet_version))
    if wrong:
        yield Problem(
            f"Settings of the kubelet on {node.name} do not go with Windows: {'; '.join(wrong)}.",
            proof={Kubelet: "; ".join(wrong)},
        )


def _names_a_file(exists: bool, path: str = r"C:\k\resolv.conf") -> tuple[Change, ...]:
    return kubelet_config(resolvConf=path), fields(Kubelet, resolv_files={path: exists})


@check(
    "kubelet.resolvconf-invalid",
    title="The kubelet's resolvConf is one that Windows takes",
    severity=ERROR,
    explains=[cause_of("image.pause.event-pattern")],
    cases=[
        Case(
            "a Linux path",
            FLANNEL_2022,
            (kubelet_config(resolvConf="/run/systemd/resolve/resolv.conf"),),
            finds="node",
        ),
        Case(
            "a Linux path as flag",
            CLASSIC_2019,
            (kubelet_flags(resolv_conf="/etc/resolv.conf"),),
            finds="node",
        ),
        Case("Host", FLANNEL_2022, (kubelet_config(resolvConf="Host"),), quiet=True),
        Case("a file on the node", FLANNEL_2022, _names_a_file(True), quiet=True),
        Case("a file that is not there", FLANNEL_2022, _names_a_file(False), finds="node"),
        Case(
            "Linux' path, and somebody has put a file there",
            FLANNEL_2022,
            _names_a_file(True, "/etc/resolv.conf"),
            quiet=True,
        ),
        Case(
            "a file in a folder that only the kubelet knows",
            FLANNEL_2022,
            (kubelet_config(resolvConf="resolv.conf"),),
            unknown=True,
        ),
        Case("a folder of files", FLANNEL_2022, (_drop_ins,), unknown=True),
    ],
)
def resolvconf_invalid(node: ThisNode, kubelet: Kubelet) -> Iterator[Said]:
    """No pod starts: the kubelet takes "", "Host", or the path of a file that exists.

    Rule: resolvConf in force is a path where no file is: mostly a path of Linux, as the ConfigMap kubelet-config of a
    Linux cluster has it. /etc/resolv.conf is C:\\etc\\resolv.conf here. What is no whole path cannot be told.
    Remedy: `resolvConf: ""` in C:\\var\\lib\\kubelet\\config.yaml, or `--resolv-conf=""`; `Restart-Service kubelet`.
    Confused with: trouble with CoreDNS: here pods do not even start.
    Source: kubernetes/kubernetes, pkg/kubelet/network/dns/dns_windows.go (`Unexpected resolver config value`).
    """
    unread = doubt(kubelet, node.name, "resolv-conf")
    value = _plain(kubelet.setting("resolv-conf", "resolvConf"))
    if unread:
        yield CannotTell(unread)
        return
    if value is None or value == "" or value == "Host":
        return
    text = str(value)
    exists = kubelet.resolv_files.get(text)
    if exists:
        return
    if text.startswith("/"):
        yield Problem(
            f"resolvConf of the kubelet on {node.name} is {text}, which Windows does not have.",
            proof={Kubelet: f"resolvConf {text}"},
        )
    elif exists is False:
        yield Problem(
            f"resolvConf of the kubelet on {node.name} is {text}, and there is no such file.",
            proof={Kubelet: f"resolvConf {text}: not found"},
        )
    else:
        yield CannotTell(f"resolvConf is {text}; whether that file exists on {node.name} is not known.")
