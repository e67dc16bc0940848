"""WinRS exchanges with real Windows servers, from pypsrp's source distribution; fetched from the package
registry.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import pytest
import yaml

VERSION = "0.9.1"
SHA256 = "3ad41285739d5f8107dd8277ae00e86ee44153aae5e82fb578ac8048307e0d12"
_FOLDER = "tests/tests_pypsrp/responses/"


@dataclass(frozen=True)
class Exchange:
    """One recorded request and its answer. `action` is the last word of the action's URI."""

    action: str
    request: str
    response: str

    @property
    def failed(self) -> bool:
        return "WSManFault" in self.response


def _archive() -> Path:
    folder = platformdirs.user_cache_path("kwinnow") / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"pypsrp-{VERSION}.tar.gz"
    if not archive.exists():
        wanted = folder / f"requirements-{os.getpid()}.txt"
        wanted.write_text(f"pypsrp=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
        try:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps"]
            command += ["--no-binary", ":all:", "--require-hashes", "-r", str(wanted), "-d", str(folder)]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=150,
                check=False,
                env={**os.environ, "PIP_NO_INPUT": "1"},
            )
        finally:
            wanted.unlink()
        if not archive.exists():
            reason = f"pypsrp's recordings cannot be fetched: {done.stderr.strip()[-300:]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        archive.unlink()
        pytest.fail(f"{archive} was not pypsrp {VERSION}; it was removed: run again.")
    return archive


def recordings() -> dict[str, list[Exchange]]:
    """All WinRS recordings by name."""
    found: dict[str, list[Exchange]] = {}
    with tarfile.open(_archive()) as archive:
        for member in archive.getmembers():
            name = member.name.partition("/")[2]
            if not (name.startswith(_FOLDER + "test_winrs_") and name.endswith(".yml")):
                continue
            file = archive.extractfile(member)
            assert file is not None
            messages = yaml.safe_load(file.read().decode("utf-8"))["messages"]
            found[Path(name).stem.removeprefix("test_winrs_")] = [
                Exchange(action_of(one["request"]), one["request"], one["response"]) for one in messages
            ]
    return found


def action_of(envelope: str) -> str:
    found = re.search(r"Action[^>]*>([^<]*)<", envelope)
    assert found is not None
    return found[1].rsplit("/", 1)[-1]
