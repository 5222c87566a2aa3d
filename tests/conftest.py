"""Settings of all tests.

Shapes and types in the signatures of layers, models and tasks are checked while tests run.
"""

from __future__ import annotations

import os

import hypothesis
import pytest
from jaxtyping import install_import_hook

# Imported before any test imports torch, so that OpenMP's threads wait passively; see docs/speed.md.
import seqlab

install_import_hook(["seqlab.nn", "seqlab.models", "seqlab.tasks"], "beartype.beartype")

# Machines in use stall at any time, so no deadline; and what passed once must pass again. To look for
# new counterexamples: pytest --hypothesis-profile=explore.
hypothesis.settings.register_profile("seqlab", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile("seqlab")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kernels",
        action="append",
        metavar="PATH",
        help="a build of the native library for tests to call in place of the installed ones (repeatable)",
    )


def pytest_report_header() -> list[str]:
    data = os.environ.get("SEQLAB_DATA") or "not set, tests marked data are skipped"
    return [f"seqlab: {', '.join(seqlab.__path__)}", f"SEQLAB_DATA: {data}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("SEQLAB_DATA"):
        return
    skip = pytest.mark.skip(reason="needs real data: set SEQLAB_DATA to the folder that holds it")
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(skip)
