"""No test looks at this machine's own clusters, configuration or proxies; and in CI no test may skip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

FOREIGN = (
    "KUBECONFIG",
    "KWINNOW_CONFIG",
    "KWINNOW_PASSWORD",
    "KWINNOW_STATE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders of the suite's own for configuration, state and cache; foreign settings taken away."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.lower().endswith("_proxy")] + list(FOREIGN):
            patch.delenv(name, raising=False)
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
            patch.setenv(name, str(home / name.lower()))
        patch.setenv("KUBECONFIG", str(home / "no-kubeconfig"))
        yield home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """With KWINNOW_NO_SKIPS a skipped test has failed: what it needs is missing on this machine."""
    report = yield
    if os.environ.get("KWINNOW_NO_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may skip: {report.longrepr}"
    return report
