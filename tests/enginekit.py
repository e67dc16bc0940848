"""The PowerShell engine, for tests that run scripts for real."""

from __future__ import annotations

import pytest

from lab.windows.engine import find_pwsh


@pytest.fixture(scope="session")
def pwsh() -> str:
    """Where it lies; the test is skipped where there is none."""
    found = find_pwsh()
    if found is None:
        pytest.skip("no PowerShell engine: set KWINNOW_PWSH or put pwsh on PATH")
    return found
