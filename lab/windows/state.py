"""A machine's state as a folder that the stand-ins of the Windows cmdlets read and write.

Layout: `state/FIELD.json`, one file a field of `Machine`; `tree/C/…`, the files of drive C; `cwd/`, the working
directory of every process, where each file and folder has a link named by its whole Windows path, so that
.NET's own file classes find `C:\\run\\flannel\\subnet.env` too; `hung/`, a marker for each command that hangs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import msgspec

from lab.decoding import decoder
from lab.world.machine import File, Machine

_FIELDS = {
    name: decoder(kind)
    for name, kind in get_type_hints(Machine).items()
    if name not in {"files", "hung_questions"}
}


class FileNotes(msgspec.Struct):
    """What a file system on Linux does not keep of a Windows file."""

    encoding: str = "utf-8"
    size: int = 0
    version: str = ""
    zone: bool = False
    modified: float = -80_000.0


_NOTES = decoder(dict[str, FileNotes])


class NodeState:
    """The folder of one machine. `epoch` is the moment its relative times count from, in seconds since 1970."""

    def __init__(self, folder: Path, epoch: float) -> None:
        self.folder = folder
        self._epoch = epoch
        self._written: dict[str, bytes] = {}
        self._files: dict[str, File] = {}
        self._stats: dict[str, tuple[int, int]] = {}
        for name in ("state", "tree/C", "cwd", "hung"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def working_directory(self) -> Path:
        return self.folder / "cwd"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock that the stand-ins take before they change anything."""
        with (self.folder / "lock").open("a+b") as file:
            if sys.platform != "win32":
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # -- into the folder

    def write(self, machine: Machine) -> None:
        """Makes the folder say what the machine says; touches only what differs."""
        with self.locked():
            for field in _FIELDS:
                self._put(field, msgspec.json.encode(getattr(machine, field)))
            self._write_files(machine.files)
            hung = {name.lower() for name in machine.hung_questions}
            for marker in (self.folder / "hung").iterdir():
                if marker.name not in hung:
                    marker.unlink()
            for name in hung:
                (self.folder / "hung" / name).touch()

    def _put(self, field: str, data: bytes) -> None:
        if self._written.get(field) == data:
            return
        path = self.folder / "state" / f"{field}.json"
        new = path.with_suffix(".tmp")
        new.write_bytes(data)
        new.replace(path)
        self._written[field] = data

    def _write_files(self, files: dict[str, File]) -> None:
        for path in self._files.keys() - files.keys():
            self._tree(path).unlink(missing_ok=True)
            self._link(path).unlink(missing_ok=True)
            self._stats.pop(path, None)
        for path, file in files.items():
            if self._files.get(path) == file and path in self._stats:
                continue
            real = self._tree(path)
            real.parent.mkdir(parents=True, exist_ok=True)
            real.write_bytes(file.text.encode(file.encoding))
            if file.size and not file.text:
                os.truncate(real, file.size)
            moment = self._epoch + file.modified
            os.utime(real, (moment, moment))
            self._link_all(path)
            self._stats[path] = _stat(real)
        self._files = {path: msgspec.structs.replace(file) for path, file in files.items()}
        notes = {
            path: FileNotes(file.encoding, file.size, file.version, file.zone, file.modified)
            for path, file in files.items()
        }
        self._put("files", msgspec.json.encode(notes))

    def _tree(self, path: str) -> Path:
        return self.folder / "tree" / path.replace(":", "", 1).replace("\\", "/")

    def _link(self, path: str) -> Path:
        return self.folder / "cwd" / path

    def _link_all(self, path: str) -> None:
        parts = path.split("\\")
        for end in range(2, len(parts) + 1):
            part = "\\".join(parts[:end])
            link = self._link(part)
            if not link.is_symlink():
                link.unlink(missing_ok=True)
                link.symlink_to(self._tree(part))

    # -- out of the folder

    def read(self, machine: Machine) -> bool:
        """Brings what processes have changed into `machine`; true if there was anything."""
        with self.locked():
            changed = self._read_fields(machine)
            return self._read_files(machine) or changed

    def _read_fields(self, machine: Machine) -> bool:
        changed = False
        for field, known in _FIELDS.items():
            data = (self.folder / "state" / f"{field}.json").read_bytes()
            if data != self._written[field]:
                setattr(machine, field, known.decode(data))
                self._written[field] = data
                changed = True
        return changed

    def _read_files(self, machine: Machine) -> bool:
        self._adopt()
        data = (self.folder / "state" / "files.json").read_bytes()
        notes: dict[str, FileNotes] = _NOTES.decode(data)
        found: dict[str, File] = {}
        root = self.folder / "tree"
        for real in sorted(root.rglob("*")):
            if not real.is_file():
                continue
            path = "C:\\" + str(real.relative_to(root / "C")).replace("/", "\\")
            note = notes.get(path, FileNotes())
            known = self._files.get(path)
            now = _stat(real)
            if known is not None and self._stats.get(path) == now:
                found[path] = msgspec.structs.replace(known, version=note.version, zone=note.zone)
            else:
                raw = real.read_bytes()
                found[path] = File(
                    text="" if note.version else raw.decode(note.encoding, "replace"),
                    encoding=note.encoding,
                    size=len(raw) if note.version else 0,
                    version=note.version,
                    zone=note.zone,
                    modified=real.stat().st_mtime - self._epoch,
                )
                self._link_all(path)
            self._stats[path] = now
        for path in self._files.keys() - found.keys():
            self._link(path).unlink(missing_ok=True)
        changed = found != self._files
        if changed:
            machine.files = found
            self._files = {path: msgspec.structs.replace(file) for path, file in found.items()}
        self._written["files"] = data
        return changed

    def _adopt(self) -> None:
        """Moves files that were written through .NET under their Windows name to where they belong."""
        for entry in self.working_directory.iterdir():
            if entry.name.startswith("C:\\") and entry.is_file() and not entry.is_symlink():
                real = self._tree(entry.name)
                real.parent.mkdir(parents=True, exist_ok=True)
                entry.replace(real)


def _stat(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
