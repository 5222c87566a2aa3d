"""Which build is used: the one that the environment or `use_build` names, or the best available one."""

from __future__ import annotations

import _ctypes
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from native import why_not

from seqlab.nn import scan
from seqlab.nn.native import binding, builds, output
from seqlab.nn.native.binding import BUILDS, Library
from seqlab.nn.native.recurrence import native_scan
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.scan import MIN_TOKENS
from seqlab.schema.errors import UserError

needs_a_build = pytest.mark.skipif(
    builds.available_builds() == ["reference"], reason=str(why_not("portable"))
)


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(builds.VARIABLE, raising=False)


def test_the_best_available_build_is_the_default() -> None:
    assert builds.build_name() == builds.available_builds()[-1]


def test_a_file_without_the_librarys_functions_is_no_build() -> None:
    another = _ctypes.__file__  # loads, but has none of the functions, as a build of older sources
    assert another is not None
    assert binding.open_library(Path(another)) is None


def test_reference_is_always_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(builds.VARIABLE, "reference")
    assert builds.active_library() is None
    assert builds.build_name() == "reference"
    assert builds.available_builds()[0] == "reference"


@pytest.mark.parametrize("build", BUILDS)
def test_a_named_build(monkeypatch: pytest.MonkeyPatch, build: str) -> None:
    monkeypatch.setenv(builds.VARIABLE, build)
    if why_not(build) is None:
        assert builds.build_name() == build
        return
    with pytest.raises(
        UserError, match=rf"'SEQLAB_KERNELS' must name a build.* Got '{build}'\. Available: reference"
    ):
        builds.active_library()


def test_an_unknown_name_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(builds.VARIABLE, "avx3")
    with pytest.raises(UserError, match=r"must be one of reference, portable, avx2, avx512\. Got 'avx3'"):
        builds.active_library()
    with pytest.raises(UserError, match="Got 'nothing'"), builds.use_build("nothing"):
        builds.active_library()


@needs_a_build
def test_use_build_overrides_the_environment_and_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(builds.VARIABLE, "reference")
    with builds.use_build("portable"):
        assert builds.build_name() == "portable"
        with builds.use_build("reference"):
            assert builds.build_name() == "reference"
        assert builds.build_name() == "portable"
    with pytest.raises(KeyError), builds.use_build("portable"):
        raise KeyError
    assert builds.build_name() == "reference"


@needs_a_build
def test_a_build_is_not_used_where_the_processor_cannot_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    portable = binding.load("portable")
    assert portable is not None
    monkeypatch.setattr(binding, "_open", lambda _: portable.calls)
    for level in range(3):
        monkeypatch.setattr(portable.calls, "seqlab_level", lambda level=level: level)
        loaded = [build for build in BUILDS if binding.load(build) is not None]
        assert loaded == list(BUILDS)[: level + 1]


def test_a_missing_or_damaged_build_is_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"\x7fELF without content")
    for path in (None, damaged):
        monkeypatch.setattr(binding, "path_of", lambda _, path=path: path)
        assert all(binding.load(build) is None for build in BUILDS)


@needs_a_build
def test_a_build_with_wrong_products_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    library = binding.load("portable")
    assert library is not None
    assert output.multiplies_correctly(library)
    correct = output.multiply
    monkeypatch.setattr(output, "multiply", lambda *arguments: correct(*arguments) + 1e-2)
    assert not output.multiplies_correctly(library)


@needs_a_build
@pytest.mark.parametrize(
    ("implementation", "steps", "dtype", "native"),
    [
        ("kernels", MIN_TOKENS, torch.float32, True),
        ("kernels", 1, torch.float32, False),
        ("kernels", MIN_TOKENS, torch.float64, False),
        ("torch", MIN_TOKENS, torch.float32, False),
        ("equations", MIN_TOKENS, torch.float32, False),
    ],
)
def test_when_a_layer_uses_the_library(
    monkeypatch: pytest.MonkeyPatch, implementation, steps: int, dtype: torch.dtype, native: bool
) -> None:
    calls: list[str] = []

    def recording_scan(library: Library, *arguments, **settings):
        calls.append(library.name)
        return native_scan(library, *arguments, **settings)

    monkeypatch.setattr(scan, "native_scan", recording_scan)
    generator = torch.Generator().manual_seed(0)
    stack = RecurrentStack("lstm", 3, 4, generator=generator, implementation=implementation).to(dtype)
    stack(torch.zeros(1, steps, 3, dtype=dtype), torch.tensor([steps]))
    assert calls == [builds.build_name()] * native


OPENMP = """
import torch
from seqlab.nn.native import builds, output
library = builds.active_library()
torch.randn(300, 300) @ torch.randn(300, 300)
output.multiply(library, torch.ones(50, 50), torch.ones(50, 50))
for line in open("/proc/self/maps"):
    if line.rstrip().endswith(".so") or ".so." in line:
        print(line.split(maxsplit=5)[5].strip())
"""


@needs_a_build
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps, which only Linux has")
def test_one_openmp_runtime_in_the_process() -> None:
    """Two runtimes would have two thread pools that compete for the processor."""
    done = subprocess.run([sys.executable, "-c", OPENMP], capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in done.stdout.splitlines()}
    assert any(path.name.startswith(f"_{builds.build_name()}.") for path in loaded)
    openmp = {path for path in loaded if path.name.startswith(("libgomp", "libomp", "libiomp"))}
    assert len(openmp) == 1, openmp
