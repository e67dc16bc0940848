"""The engine behind `kwinnow lab`: a world, its API server and its Windows nodes, and what is planted in them."""

from __future__ import annotations

import copy
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import folders
from lab.api.access import Directory
from lab.api.errors import cannot_follow
from lab.api.server import ApiServer
from lab.api.state import ApiState, Weather
from lab.api.store import Store
from lab.catalogue import fitting_scenario, resolve
from lab.faults import Condition, Stage
from lab.practice_files import WINDOWS_USER, kubeconfig_text, kwinnow_config, write_private
from lab.windows.auth import Credentials
from lab.windows.clock import Clock, WallClock
from lab.windows.conditions import Conditions
from lab.windows.engine import find_pwsh
from lab.windows.listener import Tls
from lab.windows.node import Replay, WindowsNode
from lab.windows.replay import packaged
from lab.windows.replay import replay as packaged_replay
from lab.world import writes
from lab.world.derive import derive
from lab.world.machine import Machine
from lab.world.net import admits
from lab.world.scenarios import build
from lab.world.state import Key, LogLine, Object, World

HEARTBEAT = 10.0  # seconds of the lab's clock between two looks at the world, as kubelets renew their leases
PLANTED_AGO = 1_500.0  # a planted fault happened this long ago: its consequences have settled
USER = "practice-admin"
CAVEAT = (
    "The nodes answer from recordings, which know this mix only in part: what they do not know comes out as unknown. "
    "With PowerShell 7 (pwsh) on PATH a practice cluster answers everything."
)


class Practice:
    """One practice cluster. `start` opens its ports; `plant` and `unplant` work before and after that.

    `culture` is the language of Windows on the nodes (en-US, de-DE, zh-CN). Without a PowerShell engine the nodes
    answer by `replay`, from recordings. Everything may be called from any thread.
    """

    def __init__(
        self,
        scenario: str = "flannel-2022",
        clock: Clock | None = None,
        *,
        culture: str = "en-US",
        use_engine: bool = True,
        replay: Replay = packaged_replay,
    ) -> None:
        self.scenario = scenario
        self._recorded = not use_engine or find_pwsh() is None
        self.planted: list[str] = []
        self.password = "Kw-" + secrets.token_urlsafe(12)
        self.token = secrets.token_urlsafe(24)
        self._clock = clock or WallClock()
        self._culture = culture
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._written: dict[Key, Object] = {}
        self._folder = folders.Folder()
        self.folder = self._folder.path
        self._world = self._fresh()
        self._store = Store()
        self._store.sync(self._world.objects)
        self.api_state = ApiState(
            self._world.plan,
            self._store,
            self._clock.now,
            self._write,
            self._read_log,
            directory=Directory({self.token: USER}),
            kubelet_down=self._kubelet_down,
        )
        self._api = ApiServer(self.api_state, self._world.pki)
        self.nodes: dict[str, WindowsNode] = {}
        self._applied: dict[str, Machine] = {}
        for name, machine in self._world.windows.items():
            self.nodes[name] = WindowsNode(
                machine,
                Credentials(WINDOWS_USER, self.password),
                tls=self._tls(name, machine),
                clock=self._clock,
                on_change=lambda changed, node=name: self._changed(node, changed),  # type: ignore[misc]
                use_engine=use_engine,
                replay=replay,
                beside=self.folder,
            )
            self._applied[name] = copy.deepcopy(machine)
        self._thread = threading.Thread(target=self._beat, name="lab-heartbeat", daemon=True)

    # -- life

    def start(self) -> Practice:
        """Open all ports and write the files that a client needs. Folders of clusters that were killed go."""
        folders.sweep()
        self._api.start()
        for node in self.nodes.values():
            node.start()
        write_private(self.kubeconfig, kubeconfig_text(self._api.url, self._world.pki.ca, self.token))
        write_private(self.folder / "ca.pem", self._world.pki.ca)
        self._configure(self._stage(self.planted))
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the ports and remove the files. A second call does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._api.stop()
        for node in self.nodes.values():
            node.stop()
        if self._thread.ident is not None:  # it may never have been started
            self._thread.join(5)
        self._folder.remove()

    def __enter__(self) -> Practice:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what a client needs

    @property
    def url(self) -> str:
        """Address of the API server."""
        return self._api.url

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def config(self) -> Path:
        """kwinnow's config.toml for this cluster."""
        return self.folder / "config.toml"

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """`base` with what a command needs to work on this cluster."""
        found = dict(base)
        found["KUBECONFIG"] = str(self.kubeconfig)
        found["KWINNOW_CONFIG"] = str(self.config)
        found["KWINNOW_PASSWORD"] = self.password
        tools = base.get("KWINNOW_KUBERNETES", "")
        if tools and (Path(tools) / "kubectl").exists():
            found["PATH"] = f"{tools}{os.pathsep}{base.get('PATH', '')}"
        return found

    @property
    def world(self) -> World:
        """A copy of the world as it is now."""
        with self._lock:
            return copy.deepcopy(self._world)

    # -- planting

    @property
    def caveat(self) -> str:
        """A sentence for people where the nodes answer from recordings that do not hold what is planted; else empty."""
        planted = [name for name in list(self.planted) if self._turns_answers(name)]
        return CAVEAT if self._recorded and not packaged().holds(self.scenario, planted) else ""

    def plant(self, name: str) -> str:
        """Plant a fault, question or condition; the full name of what was planted.

        KeyError for an unknown name, ValueError where it does not fit this scenario; both with a sentence for people.
        """
        found = resolve(name, self.scenario)
        if not isinstance(found, Condition) and self.scenario not in found.scenarios:
            fits = ", ".join(found.scenarios)
            raise ValueError(f"{found.id} cannot be planted in {self.scenario}; it fits {fits}.")
        with self._lock:
            if found.id not in self.planted:
                self.planted.append(found.id)
                self._apply(self._world, found.id)
                self._publish()
                self._set_conditions()
        return found.id

    def unplant(self, name: str) -> str:
        """Take out what was planted: the cluster is as if it had never been there. KeyError if it was not."""
        with self._lock:
            known = [p for p in self.planted if p == name or p.split(":")[0] == name]
            if not known:
                raise KeyError(f"{name} is not planted in {self.scenario} at {self.url}.")
            self.planted.remove(known[0])
            self._world = self._fresh()
            for one in self.planted:
                self._apply(self._world, one)
            # What people have made stays; what is there without them is as it was.
            made = {k: v for k, v in self._written.items() if k not in self._world.objects}
            self._world.objects |= copy.deepcopy(made)
            derive(self._world)
            self._publish()
            self._set_conditions()
            return known[0]

    def tick(self) -> None:
        """Let the world go on to the clock's present: leases are renewed, workloads write their logs."""
        with self._lock:
            self._world.now = self._clock.now()
            derive(self._world)
            self._publish()

    def drop_connections(self) -> None:
        """Cut every open connection to the API server, watches and logs among them."""
        self._api.drop_connections()

    # -- inside

    def _fresh(self) -> World:
        return build(self.scenario, self._clock.now(), self._clock.epoch, self._culture)

    def _apply(self, world: World, name: str) -> None:
        found = resolve(name, self.scenario)
        if isinstance(found, Condition):
            return
        world.now = self._clock.now()
        world.changed_at = world.now - PLANTED_AGO
        found.apply(world)
        derive(world)
        world.changed_at = 0.0

    def _turns_answers(self, name: str) -> bool:
        """A condition that only stands between the console and a node changes nothing that scripts see."""
        condition = isinstance(resolve(name, self.scenario), Condition)
        return not condition or bool(self._stage([name]).machine)

    def _stage(self, planted: list[str]) -> Stage:
        stage = Stage(tuple(self.nodes), {}, {}, {}, {})
        for name in planted:
            found = resolve(name, self.scenario)
            if isinstance(found, Condition):
                found.apply(stage)
        return stage

    def _set_conditions(self) -> None:
        stage = self._stage(self.planted)
        for name, node in self.nodes.items():
            node.conditions = Conditions(**stage.winrm.get(name, {}))  # type: ignore[arg-type]
            machine = self._world.windows[name]
            machine.hung_questions = stage.hung.get(name, [])
            for field, value in (
                {"language_mode": "FullLanguage", "elevated": True} | stage.machine.get(name, {})
            ).items():
                setattr(machine.os, field, value)
        self.api_state.weather = Weather(**stage.weather)
        self.api_state.directory.few = stage.few_rights
        self.api_state.directory.reject = stage.reject_tokens
        if self.config.exists():  # else `start` writes it, once the ports are known
            self._configure(stage)
        self._publish()

    def _configure(self, stage: Stage) -> None:
        """Write kwinnow's configuration, with what a condition says of it."""
        ports = {name: node.tls_port or 0 for name, node in self.nodes.items()}
        write_private(self.config, kwinnow_config(ports, self.folder / "ca.pem", stage.config))

    def _publish(self) -> None:
        """Give the API server and the nodes what has changed."""
        self._store.sync(self._world.objects)
        with self.api_state.log_changed:
            self.api_state.log_changed.notify_all()
        for name, node in self.nodes.items():
            machine = self._world.windows[name]
            if machine != self._applied[name]:
                self._applied[name] = copy.deepcopy(machine)
                node.apply(machine)

    def _changed(self, node: str, machine: Machine) -> None:
        """A process on the node has changed something: what follows from it?"""
        with self._lock:
            if self._stop.is_set():
                return
            self._applied[node] = copy.deepcopy(machine)
            self._world.windows[node] = machine
            self._world.now = self._clock.now()
            derive(self._world)
            self._publish()

    def _write(self, key: Key, item: Object | None, expected: str) -> Object:
        with self._lock:
            self._world.now = self._clock.now()
            follows = key[1] != "Lease"  # nothing follows from a lock, and locks are written often
            after = self._world
            if follows:
                try:
                    after = writes.applied(self._world, key, item)
                except writes.CannotFollow as error:
                    raise cannot_follow(str(error)) from error
            if item is None:
                stored = self._store.drop(key) or {}
                self._written.pop(key, None)
            else:
                stored = self._store.save(key, item, expected=expected)  # or somebody was faster
            if not follows:
                writes.put(after, key, stored) if item else writes.remove(after, key)
            if item is not None and key in after.objects:  # a pod on a node that there is not is gone at once
                self._written[key] = after.objects[key]
            self._world = after
            if follows:
                self._publish()
                stored = self._store.get(key) or stored  # with what controllers have made of it
            return stored

    def _read_log(self, namespace: str, pod: str, container: str) -> list[LogLine]:
        with self._lock:
            return list(self._world.logs.get((namespace, pod, container), []))

    def _kubelet_down(self, node: str) -> str:
        with self._lock:
            machine = self._world.windows.get(node)
            if machine is not None and not admits(machine, 10250, "TCP"):
                return f"dial tcp {machine.address}:10250: i/o timeout"
            if machine is None or any(port == 10250 for _, port, _ in machine.listening):
                return ""
            return f"dial tcp {machine.address}:10250: connect: connection refused"

    def _tls(self, name: str, machine: Machine) -> Tls:
        pair = self._world.pki.server(
            f"winrm {name}", (name,) if not name[0].isdigit() else (), ("127.0.0.1", machine.address)
        )
        certificate, key, ca = (self.folder / f"{name}.{end}" for end in ("crt", "key", "ca"))
        write_private(certificate, pair.certificate)
        write_private(key, pair.key)
        write_private(ca, self._world.pki.ca)
        return Tls(str(certificate), str(key), str(ca))

    def _beat(self) -> None:
        while not self._clock.wait(HEARTBEAT, self._stop):
            self.tick()


def practice_for(names: list[str], scenario: str = "", **options: Any) -> Practice:
    """A practice cluster in which all of `names` are planted; the scenario is chosen by them unless it is given."""
    practice = Practice(scenario or fitting_scenario(names), **options)
    try:
        for name in names:
            practice.plant(name)
    except (KeyError, ValueError):
        practice.stop()
        raise
    return practice
