"""The CNI configuration that the runtime loads: is there one, can it be read, is it in the runtime's
schema?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, change
from checks.causes import cause_of
from checks.check import Case, check
from checks.cni.links import no_lease, no_network, no_pods
from checks.finding import ERROR, Object, Problem, Said, Skip
from facts.access import ThisNode
from facts.cluster.flannel import FlannelConfig, net_conf
from facts.derived.effective_cni import EffectiveCni
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact, Failed, NotApplicable
from facts.node.cni import CniConf, CniFiles, FlannelFiles, NetConf
from facts.node.runtime import Cri

UNINITIALIZED = ("cni plugin not initialized", "cni config uninitialized", "no network config found")


def schema(cni: EffectiveCni) -> str:
    """apiVersion of the plug-in that talks to HNS; the plug-ins read their keys without regard to case."""
    return next((str(v) for k, v in cni.attaching.items() if k.lower() == "apiversion"), "")


OLD_KINDS = ("win-overlay", "win-bridge")
NEW_KINDS = ("sdnoverlay", "sdnbridge")


def of_conf(edit: Callable[[CniConf], CniConf]) -> Change:
    """Edit every CNI configuration file, for cases."""
    return change(CniFiles, lambda files: replace(files, confs=tuple(edit(c) for c in files.confs)))


def delegated(**values: object) -> Callable[[CniConf], CniConf]:
    """The file with keys of its delegate set."""
    return lambda c: replace(c, parsed={**c.parsed, "delegate": {**c.delegate, **values}})


def without_confs(files: CniFiles) -> CniFiles:
    return replace(files, confs=())


def _elsewhere(draft: Draft) -> None:
    change(
        CniFiles, lambda f: replace(f, confs=tuple(replace(c, directory=r"C:\elsewhere") for c in f.confs))
    )(draft)


def _not_initialized(draft: Draft) -> None:
    """The node says so, too."""
    node = draft.get(ThisNode)
    ready = node.object.condition("Ready")
    assert ready is not None
    told = replace(ready, status="False", message="Network plugin returns error: cni plugin not initialized")
    others = tuple(c for c in node.object.status.conditions if c.type != "Ready")
    status = replace(node.object.status, conditions=(*others, told))
    draft.put(ThisNode, ThisNode(replace(node.object, status=status)))


@check(
    "cni.none",
    title="The runtime finds a CNI configuration",
    severity=ERROR,
    explains=no_lease(),
    cases=[
        Case("nobody wrote one", FLANNEL_2022, (change(CniFiles, without_confs), _not_initialized), "node"),
        Case(
            "classic: the kubelet's directory is empty",
            CLASSIC_2019,
            (change(CniFiles, without_confs), _not_initialized),
            "node",
        ),
        Case(
            "containerd looks elsewhere: a check of its own",
            FLANNEL_2022,
            (_elsewhere, _not_initialized),
            quiet=True,
        ),
    ],
)
def none(node: ThisNode, cni: EffectiveCni, cri: Cri | Failed | NotApplicable) -> Iterator[Said]:
    """Without a CNI configuration the runtime has no network, and the node stays NotReady.

    Rule: the directory in force holds no .conf, .conflist or .json, and the node's Ready condition or the
    runtime says that CNI is not initialized (or nobody says that the node is ready).
    Remedy: deploy the CNI's DaemonSet for Windows, or restart it (kubectl -n kube-flannel rollout restart
    daemonset): it writes the file. Classic: copy cni.conf back into the kubelet's --cni-conf-dir.
    Confused with: a configuration in another directory (runtime.containerd.cni-dirs).
    Source: containerd/go-cni opts.go and errors.go ("no network config found in …: cni plugin not
    initialized").
    """
    if cni.conf is not None:
        return
    if cni.elsewhere and cni.conf_origin != "the kubelet's --cni-conf-dir":
        other = cni.elsewhere[0]
        yield Skip(
            f"{cni.conf_dir} is empty, and {other.directory} has {other.name}: see "
            "runtime.containerd.cni-dirs."
        )
        return
    ready = node.object.condition("Ready")
    message = ready.message if ready else ""
    loaded = cri.last_cni_load if isinstance(cri, Cri) else ""
    said = next((text for text in (message, loaded) if any(u in text for u in UNINITIALIZED)), "")
    if not said and ready is not None and ready.status == "True":
        yield Skip(f"{cni.conf_dir} is empty, and the node is Ready: the runtime reads another place.")
        return
    proof: dict[type[Fact], str] = {
        CniFiles: f"{cni.conf_dir} (from {cni.conf_origin}): no configuration file"
    }
    if said:
        proof[ThisNode if said == message else Cri] = said
    yield Problem(
        f"{node.name} has no CNI configuration in {cni.conf_dir}: the runtime has no network.", proof=proof
    )


@check(
    "cni.json-invalid",
    title="CNI and flannel configuration are readable JSON",
    severity=ERROR,
    explains=[
        *no_network(),
        cause_of("cni.flannel.lease-annotations"),
        cause_of("cni.flannel.subnet-env"),
        cause_of("hns.network.absent"),
    ],
    cases=[
        Case(
            "PowerShell wrote UTF-16",
            FLANNEL_2022,
            (of_conf(lambda c: replace(c, bom="utf-16", parsed={}, error="not UTF-8")),),
            "node",
        ),
        Case("a byte order mark", CLASSIC_2019, (of_conf(lambda c: replace(c, bom="utf-8")),), "node"),
        Case(
            "a comma too many",
            FLANNEL_2022,
            (of_conf(lambda c: replace(c, parsed={}, error="trailing comma")),),
            "node",
        ),
        Case(
            "an empty list of plug-ins",
            FLANNEL_2022,
            (of_conf(lambda c: replace(c, parsed={"name": "flannel.4096", "plugins": []})),),
            "node",
        ),
        Case(
            "net-conf.json in the ConfigMap",
            FLANNEL_2022,
            (change(FlannelConfig, lambda f: replace(f, conf=NetConf(error="JSON is malformed"))),),
            "kube-flannel/kube-flannel-cfg",
        ),
        Case(
            "PowerShell saved net-conf.json in the ConfigMap with a byte order mark",
            CLASSIC_2019,
            (change(FlannelConfig, lambda f: replace(f, conf=net_conf("\ufeff" + f.raw))),),
            "kube-system/kube-flannel-cfg",
        ),
        Case(
            "a broken file that the runtime never reads",
            FLANNEL_2022,
            (
                change(
                    CniFiles,
                    lambda f: replace(
                        f, confs=(*f.confs, CniConf(r"C:\elsewhere", "a.conf", error="broken"))
                    ),
                ),
            ),
            quiet=True,
        ),
    ],
)
def json_invalid(
    node: ThisNode,
    cni: EffectiveCni,
    files: FlannelFiles | Failed,
    flannel: FlannelConfig | Failed | NotApplicable,
) -> Iterator[Said]:
    """Go's JSON reader takes neither UTF-16 nor a byte order mark, which Windows PowerShell 5.1 writes by
    default.

    Rule: the CNI configuration in force, or a net-conf.json of flannel on the node or in the ConfigMap,
    begins with a byte order mark or is no JSON; or the CNI configuration names no plug-in.
    Remedy: write it anew without a mark: [IO.File]::WriteAllText($path, $text, (New-Object Text.UTF8Encoding
    $false))
    Confused with: valid JSON with wrong keys (cni.api-version).
    Source: Go encoding/json; PowerShell about_Character_Encoding (5.1: Out-File and > write UTF-16).
    """
    conf = cni.conf
    if conf is not None and (conf.bom or conf.error):
        why = f"begins with a byte order mark ({conf.bom})" if conf.bom else f"is no JSON ({conf.error})"
        yield Problem(
            f"{cni.path} on {node.name} {why}, so the runtime cannot load it.",
            proof={CniFiles: f"{cni.path}: {why}"},
        )
    elif conf is not None and not conf.plugin.get("type"):
        keys = ", ".join(conf.parsed) or "no keys"
        yield Problem(
            f"{cni.path} on {node.name} names no plug-in (type), so the runtime cannot load it.",
            proof={CniFiles: f"{cni.path}: {keys}"},
            remedy="Let the CNI's DaemonSet write the file anew (delete its pod on the node), or copy it from a node "
            "that works.",
        )
    for file in files.net_confs if isinstance(files, FlannelFiles) else ():
        if file.conf.error:
            text = f"{file.path} on {node.name} is no JSON ({file.conf.error}), so flanneld cannot start."
            yield Problem(text, proof={FlannelFiles: f"{file.path}: {file.conf.error}"})
    if isinstance(flannel, FlannelConfig) and flannel.conf.error:
        about = Object("ConfigMap", "kube-flannel-cfg", flannel.namespace)
        text = (
            f"net-conf.json in ConfigMap {flannel.namespace}/kube-flannel-cfg is no JSON: "
            f"{flannel.conf.error}."
        )
        yield Problem(text, about, proof={FlannelConfig: flannel.raw[:300] or flannel.conf.error})


@check(
    "cni.api-version",
    title="The CNI configuration is in the schema of the runtime",
    severity=ERROR,
    explains=no_pods(),
    cases=[
        Case(
            "dockershim's file with containerd",
            FLANNEL_2022,
            (of_conf(delegated(type="win-overlay")),),
            "node",
        ),
        Case(
            "old policies with apiVersion 2",
            FLANNEL_2022,
            (
                of_conf(
                    delegated(
                        type="win-overlay",
                        apiVersion=2,
                        AdditionalArgs=[
                            {
                                "Name": "EndpointPolicy",
                                "Value": {"Type": "OutBoundNAT", "ExceptionList": ["10.244.0.0/16"]},
                            }
                        ],
                    )
                ),
            ),
            "node",
        ),
        Case(
            "containerd's plug-in with Docker", CLASSIC_2019, (of_conf(delegated(type="sdnoverlay")),), "node"
        ),
        Case(
            "win-overlay with apiVersion 2",
            FLANNEL_2022,
            (of_conf(delegated(type="win-overlay", apiVersion=2)),),
            quiet=True,
        ),
        Case(
            "keys are read without regard to case",
            FLANNEL_2022,
            (of_conf(delegated(type="win-overlay", ApiVersion=2)),),
            quiet=True,
        ),
    ],
)
def api_version(node: ThisNode, stack: Stack, cni: EffectiveCni) -> Iterator[Said]:
    """HNS policies are flat in the schema that Docker needs (v1) and nested under Settings in containerd's
    (v2).

    Rule: containerd and win-overlay or win-bridge without apiVersion 2; a flat policy (ExceptionList) with
    apiVersion 2 or with sdnoverlay or sdnbridge: HNS ignores it; Docker and apiVersion 2 or sdnoverlay or
    sdnbridge.
    Remedy: write the file for the runtime in use: for containerd "apiVersion": 2 and policies as {"Type":
    "OutBoundNAT", "Settings": {"Exceptions": […]}}; then make the pods anew.
    Confused with: 0x803b000d from HNS, which is what some of these end in.
    Source: containernetworking/plugins pkg/hns; RKE2 Windows agent; kubernetes-sigs/sig-windows-tools.
    """
    kind = cni.kind.lower()
    if kind not in (*OLD_KINDS, *NEW_KINDS):
        yield Skip(f"The plug-in {cni.kind or '(none)'} is none whose schema is known.")
        return
    version = schema(cni) or "absent"
    second = version == "2" or kind in NEW_KINDS
    flat = [
        p.type for p in cni.policies if not p.nested and any(k.lower() == "exceptionlist" for k in p.values)
    ]
    proof: dict[type[Fact], str] = {CniFiles: f"{cni.path}: type {cni.kind}, apiVersion {version}"}
    if stack.runtime == "containerd" and not second:
        yield Problem(
            f"{cni.path} on {node.name} is for Docker: {cni.kind} without apiVersion 2, and the runtime "
            "is containerd.",
            proof=proof,
        )
    elif stack.runtime == "docker" and second:
        yield Problem(
            f"{cni.path} on {node.name} is for containerd ({cni.kind}), and the runtime is Docker.",
            proof=proof,
        )
    elif second and flat:
        text = (
            f"{cni.path} on {node.name} has a flat {flat[0]} policy (ExceptionList), which HNS v2 "
            "ignores: there are no NAT exceptions."
        )
        yield Problem(text, proof=proof)
