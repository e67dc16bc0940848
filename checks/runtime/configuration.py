"""config.toml of containerd: what it says, and what containerd makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from checks.cases import Change, change, fails, fields
from checks.causes import cause_of
from checks.check import Case, check
from checks.effects import NO_RUNTIME
from checks.finding import ERROR, WARN, CannotTell, Problem, Said, Skip
from checks.versions import numbers
from facts.access import ThisNode
from facts.examples import CLASSIC_2019, FLANNEL_2019, FLANNEL_2022
from facts.fact import Fact
from facts.node.runtime import Containerd

OLD, NEW = "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"


def _reads(version: tuple[int, ...]) -> int:
    """The newest version of config.toml that this containerd reads; 0 where that is not known."""
    if version[:1] == (1,):
        return 2
    if version[:1] == (2,):
        return 4 if version[1:2] >= (3,) else 3
    return 0


def plugin_tables(config: dict[str, Any]) -> dict[str, Any]:
    found = config.get("plugins")
    return found if isinstance(found, dict) else {}


def _config(**values: Any) -> Change:
    """Set keys at the top of config.toml."""
    return change(Containerd, lambda found: replace(found, config={**found.config, **values}))


def _renamed(found: Containerd) -> Containerd:
    """The CNI settings moved to the table of containerd 2, the version of the file left as it was."""
    tables = plugin_tables(found.config)
    moved = {(NEW if name == OLD else name): value for name, value in tables.items()}
    return replace(found, config={**found.config, "plugins": moved})


def _settings(table: Any) -> str:
    """What people set in a CRI table: only that makes a wrong table matter."""
    if not isinstance(table, dict):
        return ""
    cni = table.get("cni")
    keys = [f"cni.{key}" for key in cni] if isinstance(cni, dict) else []
    keys += [key for key in ("sandbox_image", "containerd", "registry") if key in table]
    return ", ".join(keys[:5])


@check(
    "runtime.containerd.config-version",
    title="config.toml is written for the containerd that reads it",
    severity=ERROR,
    explains=[
        cause_of("runtime.containerd.stopped"),
        cause_of("runtime.containerd.cni-dirs"),
        cause_of("image.pause.ref"),  # sandbox_image is among what is ignored
        cause_of("image.pause.kubeadm-mismatch"),
        *NO_RUNTIME,
    ],
    cases=[
        Case("version 3 for 1.7", FLANNEL_2022, (_config(version=3),), finds="node"),
        Case(
            "the new table in a file of version 2",
            FLANNEL_2022,
            (change(Containerd, _renamed),),
            finds="node",
        ),
        Case(
            "the old table in a file of version 3",
            FLANNEL_2019,
            (fields(Containerd, version="2.0.1"), _config(version=3)),
            finds="node",
        ),
        Case("2.0 reads version 2", FLANNEL_2022, (fields(Containerd, version="2.0.1"),), quiet=True),
        Case(
            "version 4 for 2.2",
            FLANNEL_2022,
            (fields(Containerd, version="2.2.0"), _config(version=4)),
            "node",
        ),
        Case(
            "2.3 reads version 4",
            FLANNEL_2022,
            (fields(Containerd, version="2.3.0"), change(Containerd, _renamed), _config(version=4)),
            quiet=True,
        ),
        Case(
            "2.0 keeps the new table in a file of version 2",
            FLANNEL_2022,
            (fields(Containerd, version="2.0.1"), change(Containerd, _renamed)),
            quiet=True,
        ),
        Case(
            "not readable",
            FLANNEL_2022,
            (fields(Containerd, config={}, config_error="line 3"),),
            unknown=True,
        ),
        Case("Docker", CLASSIC_2019, (), quiet=True),
    ],
)
def config_version(node: ThisNode, containerd: Containerd) -> Iterator[Said]:
    """Settings in a table that this version of the file does not know are ignored without a word.

    Rule: `version` of config.toml is newer than containerd reads (1.x reads up to 2, 2.0 to 2.2 up to 3, 2.3 up to 4):
    it does not start. Or CNI and runtime settings stand in `io.containerd.cri.v1.runtime` and containerd is 1.x, or
    in `io.containerd.grpc.v1.cri` although the file says 3 or more. (2.x carries a file of version 2 over and keeps
    what already stands in the new table.)
    Remedy: Write the file anew with `containerd config default` of the containerd that is installed, and set there:
    version 2 `[plugins."io.containerd.grpc.v1.cri".cni]` with bin_dir and conf_dir; version 3
    `[plugins.'io.containerd.cri.v1.runtime'.cni]` with bin_dirs (a list) and conf_dir. Then `Restart-Service containerd
    -Force`.
    Confused with: a wrong directory in the right table (runtime.containerd.cni-dirs).
    Source: containerd, docs/cri/config.md and cmd/containerd/server/config (`expected containerd config version equal
    to or less than`); kubernetes-sigs/sig-windows-tools, Install-Containerd.ps1.
    """
    if containerd.config_error:
        yield CannotTell(f"{containerd.config_path} cannot be read: {containerd.config_error}")
        return
    if not containerd.config_exists:
        yield Skip("There is no config.toml: containerd uses its defaults.")
        return
    written, version = containerd.config_version, numbers(containerd.version)
    tables = plugin_tables(containerd.config)
    proof: dict[type[Fact], str] = {
        Containerd: f"version = {written}; tables {', '.join(t for t in (OLD, NEW) if t in tables) or 'none of CRI'}"
    }
    newest = _reads(version)
    if newest and written > newest:
        yield Problem(
            f"{containerd.config_path} says version {written}; containerd {containerd.version} reads versions up to "
            f"{newest} and does not start.",
            proof=proof,
        )
        return
    wrong = OLD if written >= 3 else NEW
    ignored = _settings(tables.get(wrong))
    if ignored and wrong == NEW and version[:1] != (1,):
        if not version:
            yield CannotTell(
                f"Whether containerd reads the table {NEW} depends on its version, which it does not tell."
            )
        return
    if ignored:
        yield Problem(
            f"{containerd.config_path} says version {written}, so that containerd ignores {ignored} in table {wrong}.",
            proof=proof,
        )


def _runtimes(name: str, kind: str) -> Change:
    """The default runtime as given, in the table of version 2."""

    def edit(found: Containerd) -> Containerd:
        tables = plugin_tables(found.config)
        table = tables.get(OLD)
        cri = dict(table) if isinstance(table, dict) else {}
        cri["containerd"] = {"default_runtime_name": name, "runtimes": {name: {"runtime_type": kind}}}
        return replace(found, config={**found.config, "plugins": {**tables, OLD: cri}})

    return change(Containerd, edit)


_PROCESS, _SHIM = "runhcs-wcow-process", "io.containerd.runhcs.v1"


@check(
    "runtime.containerd.default-runtime",
    title="Pods start with process isolation",
    severity=ERROR,
    cases=[
        Case(
            "Hyper-V",
            FLANNEL_2022,
            (_runtimes("runhcs-wcow-hypervisor", _SHIM),),
            finds="node",
            severity=WARN,
        ),
        Case(
            "a runtime for Linux",
            FLANNEL_2022,
            (_runtimes("runc", "io.containerd.runc.v2"),),
            finds="node",
            severity=ERROR,
        ),
        Case("as it should be", FLANNEL_2019, (_runtimes(_PROCESS, _SHIM),), quiet=True),
        Case("not said", FLANNEL_2022, (fields(Containerd, config={"version": 2}),), quiet=True),
        Case(
            "in a table that a file of version 3 leaves aside",
            FLANNEL_2022,
            (
                fields(Containerd, version="2.0.1"),
                _config(version=3),
                _runtimes("runc", "io.containerd.runc.v2"),
            ),
            quiet=True,
        ),
        Case("containerd is not known", FLANNEL_2022, (fails(Containerd),), unknown=True),
    ],
)
def default_runtime(node: ThisNode, containerd: Containerd) -> Iterator[Said]:
    """Ordinary pods would start in Hyper-V isolation, which Kubernetes does not support as it is, or not at all.

    Rule: `default_runtime_name` is set and is not runhcs-wcow-process (warn), or the runtime that it names has a
    `runtime_type` other than io.containerd.runhcs.v1 (error). Where nothing is set, containerd's default is right.
    Remedy: In config.toml `default_runtime_name = "runhcs-wcow-process"`, then `Restart-Service containerd -Force`.
    Confused with: a RuntimeClass that one pod chose.
    Source: containerd, docs/cri/config.md; Kubernetes documentation, "Windows containers in Kubernetes".
    """
    if containerd.config_error:
        yield CannotTell(f"{containerd.config_path} cannot be read: {containerd.config_error}")
        return
    for table in (NEW,) if containerd.config_version >= 3 else (OLD, NEW):
        cri = plugin_tables(containerd.config).get(table)
        section = cri.get("containerd") if isinstance(cri, dict) else None
        if not isinstance(section, dict) or not section.get("default_runtime_name"):
            continue
        name = str(section["default_runtime_name"])
        runtimes = section.get("runtimes")
        found = runtimes.get(name) if isinstance(runtimes, dict) else None
        kind = str(found.get("runtime_type", "")) if isinstance(found, dict) else ""
        if kind and kind != _SHIM:
            yield Problem(
                f"The default runtime {name} on {node.name} has type {kind}, which starts no Windows containers.",
                proof={Containerd: f'default_runtime_name = "{name}", runtime_type = "{kind}"'},
            )
        elif name != _PROCESS:
            yield Problem(
                f"Pods on {node.name} start with {name} unless they say otherwise, and not with {_PROCESS}.",
                severity=WARN,
                proof={Containerd: f'default_runtime_name = "{name}"'},
            )
        return
