"""The folder of a practice cluster, and what a cluster that was killed has left behind.

A cluster holds a lock on a file in its folder as long as its process lives, however that ends; so a folder whose
lock can be had is nobody's. Keys and passwords are in it: the next cluster that starts removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO

PREFIX = "practice-cluster-"
LOCK = "alive"


class Folder:
    """A folder of our own. `remove` gives it up."""

    def __init__(self) -> None:
        self.path, self._lock = _claimed()

    def remove(self) -> None:
        """Remove it with everything in it. A second call does nothing."""
        if not self._lock.closed:
            _remove(self.path, self._lock)


def sweep() -> list[Path]:
    """Remove the folders of this user's clusters that are gone; which they were.

    A folder without a lock file is left alone: nothing says that it is ours.
    """
    gone: list[Path] = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # It may go while we look, and on Windows it cannot be opened by two.
        with contextlib.suppress(OSError):
            if _ours(folder):
                lock = (folder / LOCK).open("r+b")
                if _locked(lock):
                    _remove(folder, lock)
                    gone.append(folder)
                else:
                    lock.close()
    return gone


def _claimed() -> tuple[Path, IO[bytes]]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = (folder / LOCK).open("w+b")
        # Somebody who sweeps may have been faster than we with the lock: then the folder goes, or is gone.
        if _locked(lock) and (folder / LOCK).exists():
            return folder, lock
        lock.close()


def _ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and (sys.platform == "win32" or found.st_uid == os.getuid())


def _locked(file: IO[bytes]) -> bool:
    """Whether the lock could be had; it is held until the file is closed, by the end of the process too."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(folder: Path, lock: IO[bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
    shutil.rmtree(folder, ignore_errors=True)  # Windows keeps a file that is open
