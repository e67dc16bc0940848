"""How long to go on: a sample by default, many rounds with `pytest tests/soak --soak`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", dest="soak", action="store_true", help="go on for many rounds instead of a sample"
    )


@pytest.fixture
def soaking(request: pytest.FixtureRequest) -> bool:
    """Whether many rounds are wanted. The option is unknown where pytest was started for the whole suite."""
    return bool(request.config.getoption("soak", False))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: takes hours; runs only with --soak")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A soak has no time-out. Without one, what is soak alone is not collected at all."""
    if config.getoption("soak", False):
        for item in items:
            item.add_marker(pytest.mark.timeout(0))
        return
    left_out = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
