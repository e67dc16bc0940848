"""Where containerd looks for CNI, and which of several files it takes."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, Draft, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.cni.links import no_lease, no_network
from checks.edits import no_service
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from facts.access import ThisNode
from facts.derived.effective_cni import EffectiveCni, folder
from facts.derived.stack import Stack
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Failed, NotApplicable
from facts.node.cni import CniConf, CniFiles
from facts.node.runtime import Containerd, Cri
from facts.node.windows import Services

_LOADED = (".conf", ".conflist", ".json")
_DEFAULT = (r"C:\Program Files\containerd\cni\conf", r"C:\Program Files\containerd\cni\bin")


def _looks_in(conf_dir: str, bin_dir: str = r"C:\opt\cni\bin") -> Change:
    return fields(Cri, cni_conf_dir=conf_dir, cni_bin_dirs=(bin_dir,), error="")


def _unreadable(draft: Draft) -> None:
    """Nothing says any more where containerd looks: not its file, and not it."""
    fields(Containerd, config={}, config_error="Illegal character (at line 12)")(draft)
    fields(Cri, cni_conf_dir="", cni_bin_dirs=(), error="no pipe")(draft)
    fields(EffectiveCni, conf_dir=_DEFAULT[0], conf_origin="the default of containerd", conf=None)(draft)


def _started_otherwise(draft: Draft) -> None:
    """RKE2 starts containerd itself, with a configuration of its own, and crictl is not on the path."""
    no_service("containerd")(draft)
    fields(Containerd, config={}, config_exists=False)(draft)
    draft.put(Cri, NotApplicable("The node has no crictl."))


def _plugin_name(conf: CniConf) -> str:
    return str(conf.plugin.get("type", "")) or "nothing that can be read"


@check(
    "runtime.containerd.cni-dirs",
    title="containerd looks for CNI where it lies",
    severity=ERROR,
    explains=[cause_of("node.notready"), cause_of("cni.binary-missing"), *no_lease()],
    cases=[
        Case("its own default", FLANNEL_2022, (_looks_in(_DEFAULT[0]),), finds="node"),
        Case(
            "programs elsewhere", FLANNEL_2019, (_looks_in(r"C:\etc\cni\net.d", _DEFAULT[1]),), finds="node"
        ),
        Case(
            "slashes the other way",
            FLANNEL_2022,
            (_looks_in("c:/etc/cni/net.d/", "/opt/cni/bin"),),
            quiet=True,
        ),
        Case(
            "no files anywhere",
            FLANNEL_2022,
            (_looks_in(_DEFAULT[0]), fields(CniFiles, confs=())),
            quiet=True,
        ),
        Case(
            "config.toml cannot be read, and containerd stands still",
            FLANNEL_2022,
            (_unreadable,),
            unknown=True,
        ),
        Case(
            "containerd is started by something else, and its configuration is not found",
            FLANNEL_2022,
            (_started_otherwise,),
            unknown=True,
        ),
        Case("files not known", FLANNEL_2022, (fails(CniFiles),), unknown=True),
        Case("Docker", CLASSIC_2019, (), quiet=True),
    ],
)
def cni_dirs(
    node: ThisNode,
    stack: Stack,
    cni: EffectiveCni,
    containerd: Containerd | Failed | NotApplicable,
    services: Services | Failed,
) -> Iterator[Said]:
    """The CNI's files are on the node, and containerd reads another directory: NotReady for ever.

    Rule: the directory of configurations that containerd uses (`crictl info`, else config.toml, else its default
    `C:\\Program Files\\containerd\\cni\\conf`) has no *.conf, *.conflist or *.json and another known directory has; or
    none of its directories of programs has the plug-ins that the configuration names and another has them all.
    Remedy: In config.toml set bin_dir (bin_dirs in version 3) and conf_dir to the directories where the CNI's
    DaemonSet puts its files (usually "C:/opt/cni/bin" and "C:/etc/cni/net.d"), then `Restart-Service containerd
    -Force; Restart-Service kubelet`.
    Confused with: no CNI on the node at all (cni.none).
    Source: containerd, docs/cri/config.md; kubernetes-sigs/sig-windows-tools, Install-Containerd.ps1 and
    hostprocess/flannel.
    """
    if stack.runtime != "containerd":
        yield Skip(f"The runtime is {stack.runtime or 'not known'}, not containerd.")
        return
    if isinstance(containerd, Containerd) and containerd.config_error and cni.conf_origin != "crictl info":
        yield CannotTell(
            f"{containerd.config_path}, which names the directories, cannot be read: {containerd.config_error}",
            hint="Mend config.toml first: see runtime.containerd.stopped.",
        )
        return
    # The default holds for a containerd whose command line, and with it its configuration, was seen.
    seen = isinstance(services, Services) and services.named("containerd") is not None
    if not seen and "default" in cni.conf_origin:
        yield CannotTell(
            "containerd is not a service here and its configuration was not found, so that where it looks for CNI is "
            "not known.",
            hint="On the node, `crictl --runtime-endpoint npipe:////./pipe/containerd-containerd info` names confDir "
            "and binDir.",
        )
        return
    others = [c for c in cni.elsewhere if c.name.lower().endswith(_LOADED)]
    if cni.conf is None and others:
        where = f"{others[0].directory}\\{others[0].name}"
        yield Problem(
            f"containerd on {node.name} looks for CNI in {cni.conf_dir}, where none is; {where} is never read.",
            proof={EffectiveCni: f"conf_dir {cni.conf_dir} ({cni.conf_origin}); found: {where}"},
        )
        return
    missing = [name for name in cni.plugins if cni.program(name) is None]
    if not missing or len(missing) < len(cni.plugins):
        return
    files = [f"{name}.exe" for name in cni.plugins]
    places = sorted(
        {p.directory for p in cni.programs if p.name.lower() in (f.lower() for f in files)}, key=folder
    )
    for place in places:
        there = {p.name.lower() for p in cni.programs if folder(p.directory) == folder(place)}
        if all(f.lower() in there for f in files):
            yield Problem(
                f"containerd on {node.name} looks for plug-ins in {', '.join(cni.bin_dirs)}; "
                f"{', '.join(files)} lie in {place}.",
                proof={
                    EffectiveCni: f"bin_dirs {', '.join(cni.bin_dirs)} ({cni.bin_origin}); found in {place}"
                },
            )
            return


def _before(name: str, kind: str) -> Change:
    """A file in containerd's directory that sorts before the right one."""

    def apply(draft: Draft) -> None:
        directory = draft.get(EffectiveCni).conf_dir
        added = CniConf(directory, name, parsed={"name": kind, "type": kind, "cniVersion": "0.3.0"})
        draft.put(CniFiles, replace(draft.get(CniFiles), confs=(*draft.get(CniFiles).confs, added)))

    return apply


def _unknown_cni(draft: Draft) -> None:
    fields(Stack, cni="", cni_origin="")(draft)


@check(
    "runtime.containerd.cni-first-file",
    title="containerd takes the right CNI file",
    severity=WARN,
    explains=[
        cause_of("cni.name-mismatch"),
        cause_of("cni.network-type"),
        cause_of("cni.binary-missing"),
        cause_of("cni.nat-exceptions"),
        cause_of("cni.service-route"),
        cause_of("cni.provider-address"),
        *no_network(),
    ],
    cases=[
        Case(
            "containerd's sample",
            FLANNEL_2022,
            (_before("0-containerd-nat.conf", "nat"),),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "left over from Calico",
            FLANNEL_2019,
            (_before("05-calico.conf", "calico"),),
            finds="node",
            severity=ERROR,
        ),
        Case(
            "containerd's sample before a CNI that kwinnow does not know",
            FLANNEL_2022,
            (
                _before("0-containerd-nat.conf", "nat"),
                _before("10-azure.conflist", "azure-vnet"),
                _unknown_cni,
            ),
            finds="node",
        ),
        Case("one that sorts behind", FLANNEL_2022, (_before("99-nat.conf", "nat"),), quiet=True),
        Case("Docker", CLASSIC_2019, (), quiet=True),
    ],
)
def cni_first_file(node: ThisNode, stack: Stack, cni: EffectiveCni, files: CniFiles) -> Iterator[Said]:
    """containerd loads one file, the first by name; one that was left over beats the one that is meant.

    Rule: the directory in force holds several *.conf, *.conflist or *.json, the plug-in of the first by name is not
    that of the cluster's CNI, and a later file has it. containerd's own sample (nat) is wrong before any other.
    Remedy: Delete the file that is not wanted, then `Restart-Service containerd -Force`.
    Confused with: a file that cannot be parsed (cni.json-invalid).
    Source: containerd, docs/cri/config.md (max_conf_num) and script/setup/install-cni-windows
    (0-containerd-nat.conf); containerd/go-cni.
    """
    if stack.runtime != "containerd" or cni.conf is None:
        yield Skip("Only for containerd, with a configuration that it reads.")
        return
    inside = sorted(
        (c for c in files.confs if folder(c.directory) == folder(cni.conf_dir)), key=lambda c: c.name
    )
    usable = [c for c in inside if c.name.lower().endswith(_LOADED)]
    first = usable[0] if usable else None
    sample = first is not None and first.plugin.get("type") == "nat"
    if not stack.cni and not sample:
        yield Skip("The cluster's CNI is not known, so that the right file is not known either.")
        return
    wanted = {stack.cni} if stack.cni else {str(c.plugin.get("type") or "nat") for c in usable} - {"nat"}
    right = next((c for c in usable if c.plugin.get("type") in wanted), None)
    if first is None or right is None or first.plugin.get("type") in wanted:
        return
    listed = ", ".join(f"{c.name} ({_plugin_name(c)})" for c in usable)
    yield Problem(
        f"containerd on {node.name} takes {first.name} with {_plugin_name(first)}, not {right.name} with "
        f"{_plugin_name(right)}.",
        severity=ERROR,
        proof={
            CniFiles: f"{cni.conf_dir}: {listed}",
            **({Stack: f"{stack.cni} by {stack.cni_origin}"} if stack.cni else {}),
        },
    )
