"""The kernels' tests under AddressSanitizer and UndefinedBehaviorSanitizer; `make sanitize`.

Sanitizers do not check loads and stores through AVX intrinsics, so the library is built for each vector width
without them; its addresses are the same. In these builds every part of the working memory is a separate
allocation (`nn/guarded/memory.hpp`); one more build uses the library's own memory pool.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SOURCE = TESTS.parent / "src" / "seqlab" / "nn" / "native" / "source"
COMPILER = os.environ.get("CXX", "g++")
FLAGS = [
    "-std=c++17",
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fopenmp",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wno-psabi",
]
WIDTHS = (4, 8, 16)
GUARDED_FILES = (
    "test_native_layers.py",
    "test_native_properties.py",
    "test_native_tables.py",
    "test_native_output.py",
    "test_native_masks.py",
)
OVERRUN = """
import sys
from pathlib import Path
import torch
from native import Case, opened, run
case = Case("lstm", 2, 5, 3, 7)
run(opened(Path(sys.argv[1])), case, *case.tensors(), torch.tensor([5, 6]))
"""
"""Reads one token past the end of a sequence; the sanitizers must stop it."""


def build(directory: Path, width: int, *, guarded: bool) -> Path:
    """Build the library with sanitizers, for vectors of `width` floats."""
    name = f"guarded{width}" if guarded else f"plain{width}"
    folder = shutil.copytree(SOURCE, directory / name)
    if guarded:
        shutil.copy(TESTS / "nn" / "guarded" / "memory.hpp", folder)
    (folder / "build.cpp").write_text(f'#define SEQLAB_WIDTH {width}\n#include "api.hpp"\n')
    library = directory / f"{name}.so"
    subprocess.run([COMPILER, *FLAGS, str(folder / "build.cpp"), "-o", str(library)], check=True)
    return library


def environment() -> dict[str, str]:
    """Variables for a process with sanitizers.

    Their runtimes must be loaded before everything else, together with that of C++: otherwise an exception in
    torch ends the process.
    """
    commands = [[COMPILER, f"-print-file-name=lib{name}.so"] for name in ("asan", "ubsan", "stdc++")]
    paths = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        for command in commands
    ]
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(paths),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(TESTS),
    }


def pytest(files: tuple[str, ...], libraries: list[Path]) -> None:
    """Run test files of `tests/nn` with these builds; a sanitizer ends the process at the first error."""
    options = [option for library in libraries for option in ("--kernels", str(library))]
    paths = [str(TESTS / "nn" / file) for file in files]
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:xdist", "-p", "no:cacheprovider", *paths]
    subprocess.run([*command, *options], check=True, env=environment(), cwd=TESTS.parent)


def main() -> None:
    """Build, check that an overrun is detected, run the tests.

    Raises:
        SystemExit: an overrun was not detected.
        CalledProcessError: a build, a test or a sanitizer failed.
    """
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(os.cpu_count()) as workers:
        plain = workers.submit(build, Path(directory), 4, guarded=False)
        guarded = list(workers.map(lambda width: build(Path(directory), width, guarded=True), WIDTHS))
        for library in (plain.result(), *guarded):
            command = [sys.executable, "-c", OVERRUN, str(library)]
            ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
            if "heap-buffer-overflow" not in ended.stderr:
                sys.exit(
                    f"The sanitizers of {library.name} must detect an overrun. Got: {ended.stderr[-500:]}"
                )
        pytest(GUARDED_FILES, guarded)
        pytest(("test_native_memory.py", "test_native_output.py"), [plain.result()])


if __name__ == "__main__":
    main()
