"""The rules of the house that a tool can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("tui", "playbooks", "checks", "facts", "targets", "lab")


def sources(*folders: str, endings: tuple[str, ...] = (".py", ".ps1")) -> list[Path]:
    return [p for f in folders for p in sorted((ROOT / f).rglob("*")) if p.suffix in endings]


def line_count(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_no_file_is_long() -> None:
    counted = {str(p.relative_to(ROOT)): line_count(p) for p in sources(*PRODUCT, "tests", "bench")}
    long = {name: lines for name, lines in counted.items() if lines > 400}
    assert long == {}


def test_only_the_check_engine_catches_everything() -> None:
    """One `except Exception` in the product; elsewhere an exception is named."""
    found: list[str] = []
    for path in sources(*PRODUCT, endings=(".py",)):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                names = (
                    [n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)] if node.type else ["bare"]
                )
                if {"Exception", "BaseException", "bare"} & set(names):
                    found.append(str(path.relative_to(ROOT)))
    assert found == ["checks/engine.py"]


@pytest.mark.parametrize("package", ["targets", "facts", "checks", "playbooks", "lab"])
def test_nothing_below_the_console_imports_textual(package: str) -> None:
    program = (
        "import importlib, pkgutil, sys\n"
        f"p = importlib.import_module('{package}')\n"
        "for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.'):\n"
        "    importlib.import_module(m.name)\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'textual'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_the_house_names_no_place_of_its_makers() -> None:
    """Paths of the machine it was made on, and hosts of package registries, have no place in the project."""
    banned = ("/wor" + "k/", "pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".ps1", ".txt", ".json", "") and path.is_file():
            text = path.read_text("utf-8", "ignore")
            assert not [b for b in banned if b in text], name


def test_types_are_decoded_through_one_door() -> None:
    """msgspec crashes when two threads use a type for the first time together: each door is a decoding.py."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources(*PRODUCT, endings=(".py",))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (
            "msgspec.convert(" in line
            or "json.Decoder(" in line
            or ("json.decode(" in line and "type=" in line)
        )
        and path.name != "decoding.py"
    ]
    assert found == []
