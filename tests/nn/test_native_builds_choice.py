"""Which build is used: what the environment and `using` name, or the best one that runs here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from native import why_not

from seqlab.nn import scan
from seqlab.nn.native import binding, output
from seqlab.nn.native import builds as choice
from seqlab.nn.native.binding import BUILDS, Library
from seqlab.nn.native.recurrence import native_scan
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.scan import WORTH_PACKING
from seqlab.schema.errors import UserError

needs_a_build = pytest.mark.skipif(choice.available() == ["reference"], reason=str(why_not("portable")))


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)


def test_the_best_one_that_runs_here_by_itself() -> None:
    assert choice.name() == choice.available()[-1]


def test_reference_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "reference")
    assert choice.library() is None
    assert choice.name() == "reference"
    assert choice.available()[0] == "reference"


@pytest.mark.parametrize("build", BUILDS)
def test_a_named_build(monkeypatch: pytest.MonkeyPatch, build: str) -> None:
    monkeypatch.setenv(choice.VARIABLE, build)
    if why_not(build) is None:
        assert choice.name() == build
        return
    with pytest.raises(
        UserError, match=rf"'SEQLAB_KERNELS' must name a build.* Got '{build}'\. Here: reference"
    ):
        choice.library()


def test_nonsense_names_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "avx3")
    with pytest.raises(UserError, match=r"must be one of reference, portable, avx2, avx512\. Got 'avx3'"):
        choice.library()
    with pytest.raises(UserError, match="Got 'nothing'"), choice.using("nothing"):
        choice.library()


@needs_a_build
def test_using_goes_before_the_environment_and_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "reference")
    with choice.using("portable"):
        assert choice.name() == "portable"
        with choice.using("reference"):
            assert choice.name() == "reference"
        assert choice.name() == "portable"
    with pytest.raises(KeyError), choice.using("portable"):
        raise KeyError
    assert choice.name() == "reference"


@needs_a_build
def test_a_build_is_not_used_where_the_processor_cannot_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    portable = binding.load("portable")
    assert portable is not None
    monkeypatch.setattr(binding, "_open", lambda _: portable.calls)
    for level in range(3):
        monkeypatch.setattr(portable.calls, "seqlab_level", lambda level=level: level)
        found = [build for build in BUILDS if binding.load(build) is not None]
        assert found == list(BUILDS)[: level + 1]


def test_a_build_that_is_not_there_or_damaged_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"\x7fELF and nothing more")
    for path in (None, damaged):
        monkeypatch.setattr(binding, "path_of", lambda _, path=path: path)
        assert all(binding.load(build) is None for build in BUILDS)


@needs_a_build
def test_a_build_that_multiplies_wrongly_is_not_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    library = binding.load("portable")
    assert library is not None
    assert output.usable(library)
    right = output.multiply
    monkeypatch.setattr(output, "multiply", lambda *arguments: right(*arguments) + 1e-2)
    assert not output.usable(library)


@needs_a_build
@pytest.mark.parametrize(
    ("path", "steps", "dtype", "native"),
    [
        ("fast", WORTH_PACKING, torch.float32, True),
        ("fast", 1, torch.float32, False),
        ("fast", WORTH_PACKING, torch.float64, False),
        ("reference", WORTH_PACKING, torch.float32, False),
    ],
)
def test_when_a_layer_goes_through_the_library(
    monkeypatch: pytest.MonkeyPatch, path, steps: int, dtype: torch.dtype, native: bool
) -> None:
    calls: list[str] = []

    def noted(library: Library, *arguments, **settings):
        calls.append(library.name)
        return native_scan(library, *arguments, **settings)

    monkeypatch.setattr(scan, "native_scan", noted)
    stack = RecurrentStack("lstm", 3, 4, generator=torch.Generator().manual_seed(0), path=path).to(dtype)
    stack(torch.zeros(1, steps, 3, dtype=dtype), torch.tensor([steps]))
    assert calls == [choice.name()] * native


OPENMP = """
import torch
from seqlab.nn.native import builds as choice, output
used = choice.library()
torch.randn(300, 300) @ torch.randn(300, 300)
output.multiply(used, torch.ones(50, 50), torch.ones(50, 50))
for line in open("/proc/self/maps"):
    if line.rstrip().endswith(".so") or ".so." in line:
        print(line.split(maxsplit=5)[5].strip())
"""


@needs_a_build
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps, which only Linux has")
def test_one_openmp_runtime_in_the_process() -> None:
    """Two would have two pools of threads that take the processor from each other."""
    done = subprocess.run([sys.executable, "-c", OPENMP], capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in done.stdout.splitlines()}
    assert any(path.name.startswith(f"_{choice.name()}.") for path in loaded)
    openmp = {path for path in loaded if path.name.startswith(("libgomp", "libomp", "libiomp"))}
    assert len(openmp) == 1, openmp
