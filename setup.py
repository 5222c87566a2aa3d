"""The native kernels: one source, compiled for several processors. Without a compiler they are left out."""

import platform
from pathlib import Path

from setuptools import Extension, setup

SOURCE = Path("src/seqlab/nn/native/source")
FLAGS = [
    "-std=c++17",
    "-O3",
    "-Wall",
    "-Wextra",
    "-fopenmp",
    # Fused multiply-add for a * b + c; the default of GCC, but not of every compiler.
    "-ffp-contract=fast",
    # The inner kernel is one loop, and its position within a cache line changes its speed by a tenth.
    "-falign-functions=64",
    "-falign-loops=64",
    # Builds are loaded into one process, and must not resolve to each other's functions.
    "-fvisibility=hidden",
    # Python's own flags ask for symbols of a debugger, five times the size of the code.
    "-g0",
]
# The linker of macOS has no such option.
STRIP = ["-Wl,--strip-all"] if platform.system() == "Linux" else []
MACHINES = {"portable": []}
if platform.machine() in {"x86_64", "AMD64"}:
    MACHINES["avx2"] = ["-march=x86-64-v3"]
    MACHINES["avx512"] = ["-march=x86-64-v4", "-mprefer-vector-width=512"]


def extension(build: str, machine: list[str]) -> Extension:
    """One build of the library; it is loaded with ctypes and is not a Python module."""
    return Extension(
        f"seqlab.nn.native._{build}",
        sources=[str(SOURCE / f"{build}.cpp")],
        depends=["setup.py", *sorted(str(path) for path in SOURCE.glob("*.h*"))],
        language="c++",
        extra_compile_args=[*FLAGS, *machine],
        extra_link_args=["-fopenmp", *STRIP],
        optional=True,
    )


setup(ext_modules=[extension(build, machine) for build, machine in MACHINES.items()])
