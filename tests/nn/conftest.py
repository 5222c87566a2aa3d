"""Tests with an argument `library` run once for each available build of the native library."""

from __future__ import annotations

import pytest
from native import parameters


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See `--kernels` in `tests/conftest.py`."""
    if "library" in metafunc.fixturenames:
        builds = parameters(metafunc.config.getoption("--kernels", None) or [])
        metafunc.parametrize("library", builds, ids=lambda build: getattr(build, "name", "none"))
