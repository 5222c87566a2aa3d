"""Compiling the library: no warnings; without a compiler; with sanitizers; from a source distribution."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import setuptools
from native import why_not
from pages import ROOT

from seqlab.nn.native.binding import BUILDS

pytestmark = pytest.mark.slow
SOURCE = ROOT / "src" / "seqlab" / "nn" / "native" / "source"
COMPILER = os.environ.get("CXX", "g++")
needs_compiler = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"there is no compiler {COMPILER}")
LAYER = """
import torch
import seqlab
from seqlab.nn.native import builds
from seqlab.nn.recurrent import RecurrentStack
layer = RecurrentStack("lstm", 3, 4, generator=torch.Generator().manual_seed(0))
y, _, _ = layer(torch.ones(2, 20, 3), torch.tensor([20, 7]))
y.sum().backward()
print(seqlab.__file__, builds.build_name(), all(bool(weight.grad.any()) for weight in layer.parameters()))
"""


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py defines."""
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    monkeypatch.chdir(ROOT)
    return runpy.run_path(str(ROOT / "setup.py"))


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the package's sources without any build products."""
    folder = tmp_path / "sources"
    products = shutil.ignore_patterns("*.egg-info", "__pycache__", "*.so")
    shutil.copytree(ROOT / "src", folder / "src", ignore=products)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def run(*command: object, cwd: Path = ROOT, **environment: str) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@needs_compiler
@pytest.mark.parametrize("build", BUILDS)
def test_no_warning(package: dict[str, Any], build: str) -> None:
    """With the package's own flags: some warnings appear only with optimisation."""
    if build not in package["MACHINES"]:
        pytest.skip(f"{build} is not built for this machine")
    flags = [*package["FLAGS"], *package["MACHINES"][build]]
    assert {"-Wall", "-Wextra"} <= set(flags)
    run(COMPILER, *flags, "-Werror", "-c", SOURCE / f"{build}.cpp", "-o", os.devnull)


@needs_compiler
def test_vectors_of_16_floats_without_avx512(package: dict[str, Any], tmp_path: Path) -> None:
    """Each operation becomes two instructions, so that processors without AVX-512 test this width, too."""
    if (reason := why_not("avx2")) is not None:
        pytest.skip(reason)
    source, library = tmp_path / "wide.cpp", tmp_path / "wide.so"
    source.write_text('#define SEQLAB_WIDTH 16\n#include "api.hpp"\n')
    flags = [*package["FLAGS"], *package["MACHINES"]["avx2"], "-O1", "-Wno-psabi", f"-I{SOURCE}"]
    run(COMPILER, *flags, "-Werror", "-fPIC", "-shared", source, "-o", library)
    files = [
        ROOT / "tests" / "nn" / f"test_native_{part}.py"
        for part in ("layers", "properties", "output", "memory")
    ]
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    output = run(*tests, *files, "--kernels", library, OMP_NUM_THREADS="1")
    assert " passed" in output


def test_without_a_compiler_the_package_installs_and_uses_the_reference_path(
    sources: Path, tmp_path: Path
) -> None:
    target = tmp_path / "installed"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    nothing = str(tmp_path / "no-compiler")
    run(*pip, "--target", target, sources, CC=nothing, CXX=nothing, PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert not list(target.rglob("*.so"))
    output = run(sys.executable, "-c", LAYER, cwd=tmp_path, PYTHONPATH=str(target), SEQLAB_KERNELS="")
    assert output.split() == [str(target / "seqlab" / "__init__.py"), "reference", "True"]


def test_a_source_distribution_contains_all_compiled_sources(sources: Path, tmp_path: Path) -> None:
    program = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-c", program, tmp_path, cwd=sources).splitlines()[-1]
    with tarfile.open(tmp_path / name) as archive:
        members = {Path(*Path(member).parts[1:]) for member in archive.getnames()}
    compiled = {path.relative_to(ROOT) for path in SOURCE.iterdir() if path.suffix in {".h", ".hpp", ".cpp"}}
    assert len(compiled) > 10
    assert compiled <= members, compiled - members
    assert Path("setup.py") in members


@needs_compiler
def test_sanitizers_find_nothing() -> None:
    assert "tests/sanitized.py" in run("make", "--dry-run", "sanitize")
    run(sys.executable, ROOT / "tests" / "sanitized.py")
