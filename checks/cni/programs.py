"""The plug-ins' programs: are they there, and may they run?"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change, without
from checks.check import Case, check
from checks.cni.configuration import of_conf
from checks.cni.links import no_pods
from checks.finding import ERROR, WARN, Problem, Said, Skip
from facts.access import ThisNode
from facts.derived.effective_cni import EffectiveCni
from facts.examples import CLASSIC_2019, FLANNEL_2022
from facts.fact import Fact
from facts.node.cni import CniConf, CniFiles


def without_program(name: str) -> Change:
    return change(
        CniFiles,
        lambda f: replace(f, programs=without(f.programs, lambda p: p.name.lower() == f"{name}.exe")),
    )


def named(cni: EffectiveCni) -> tuple[str, ...]:
    """Every program that one ADD starts, those of a list's later plug-ins, too."""
    listed = cni.conf.parsed.get("plugins") if cni.conf else None
    later = [p for p in listed[1:] if isinstance(p, dict)] if isinstance(listed, list) else []
    return tuple(dict.fromkeys((*cni.plugins, *(str(p["type"]) for p in later if p.get("type")))))


def _with_portmap(conf: CniConf) -> CniConf:
    """The file as a list, with a plug-in that Windows does not have."""
    plugins = [{k: v for k, v in conf.parsed.items() if k != "name"}, {"type": "portmap"}]
    return replace(conf, parsed={"name": conf.network, "plugins": plugins})


def _blocked(files: CniFiles) -> CniFiles:
    return replace(files, programs=tuple(replace(p, blocked=True) for p in files.programs))


@check(
    "cni.binary-missing",
    title="Every plug-in that the CNI configuration names is installed",
    severity=ERROR,
    explains=no_pods(),
    cases=[
        Case("the delegate is missing", FLANNEL_2022, (without_program("sdnoverlay"),), "node"),
        Case("host-local is missing", CLASSIC_2019, (without_program("host-local"),), "node"),
        Case("a later plug-in of a list is missing", FLANNEL_2022, (of_conf(_with_portmap),), "node"),
        Case(
            "all are in another directory",
            FLANNEL_2022,
            (
                change(
                    CniFiles,
                    lambda f: replace(
                        f, programs=tuple(replace(p, directory=r"C:\elsewhere") for p in f.programs)
                    ),
                ),
            ),
            quiet=True,
        ),
    ],
)
def binary_missing(node: ThisNode, cni: EffectiveCni) -> Iterator[Said]:
    """The runtime starts the plug-in, flannel starts its delegate and host-local; one that is missing fails
    every pod.

    Rule: for the types that the configuration in force names (plug-in, delegate, ipam, the others of a list;
    flannel means host-local) there is no TYPE.exe in the program directories in force.
    Remedy: copy the program into the directory in force; restart the CNI's DaemonSet, whose init step does
    so. A plug-in of Linux alone (portmap, bandwidth, firewall, tuning) must go from the configuration.
    Confused with: a program that is there but blocked (cni.binary-blocked), or in a directory that
    containerd does not look in (runtime.containerd.cni-dirs).
    Source: containernetworking/cni pkg/invoke/find.go (failed to find plugin "…" in path […]).
    """
    if cni.conf is None or cni.conf.error:
        yield Skip("There is no CNI configuration that names programs.")
        return
    names = named(cni)
    if not names:
        yield Skip("The CNI configuration names no plug-in (cni.json-invalid).")
        return
    missing = [name for name in names if cni.program(name) is None]
    if not missing:
        return
    others = {p.name.lower(): p.directory for p in cni.programs}
    elsewhere = all(f"{name}.exe".lower() in others for name in missing)
    if elsewhere and len(missing) == len(names) and cni.bin_origin != "the kubelet's --cni-bin-dir":
        place = others[f"{missing[0]}.exe".lower()]
        yield Skip(
            f"All programs are in {place}, where the runtime does not look: see runtime.containerd.cni-dirs."
        )
        return
    where = ", ".join(cni.bin_dirs)
    text = (
        f"{node.name} lacks {', '.join(f'{m}.exe' for m in missing)} in {where}: the runtime fails "
        f'to find plugin "{missing[0]}".'
    )
    there = (
        ", ".join(p.name for p in cni.programs if cni.program(p.name.removesuffix(".exe"))) or "no program"
    )
    yield Problem(
        text,
        proof={CniFiles: f"{where} (from {cni.bin_origin}): {there}; {cni.path} names {', '.join(names)}"},
    )


@check(
    "cni.binary-blocked",
    title="Windows lets the CNI programs run",
    severity=WARN,
    explains=no_pods(),
    cases=[
        Case("downloaded with a browser", FLANNEL_2022, (change(CniFiles, _blocked),), "node"),
        Case("classic", CLASSIC_2019, (change(CniFiles, _blocked),), "node"),
    ],
)
def binary_blocked(node: ThisNode, files: CniFiles) -> Iterator[Said]:
    """A program that was downloaded carries a mark of its origin, and Windows may refuse to start it or ask
    a person.

    Rule: a program in a CNI directory has the stream Zone.Identifier.
    Remedy: Get-ChildItem C:\\opt\\cni\\bin\\*.exe | Unblock-File (classic: C:\\k\\cni\\*.exe)
    Confused with: a virus scanner's quarantine, where the file is gone.
    Source: Microsoft, Unblock-File; Calico for Windows install scripts, which call it.
    """
    blocked = [p for p in files.programs if p.blocked]
    if blocked:
        first = blocked[0]
        text = (
            f"{len(blocked)} CNI programs on {node.name} are marked as downloaded, "
            f"{first.directory}\\{first.name} first: Windows may block them."
        )
        places = dict.fromkeys(p.directory for p in blocked)
        remedy = "; ".join(f"Get-ChildItem '{place}\\*.exe' | Unblock-File" for place in places)
        proof: dict[type[Fact], str] = {
            CniFiles: "Zone.Identifier on: " + ", ".join(p.name for p in blocked[:10])
        }
        yield Problem(text, proof=proof, remedy=remedy)
