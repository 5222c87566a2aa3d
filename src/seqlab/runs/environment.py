"""The environment in which a run is made: versions, processor, threads."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, with_config
from typing_extensions import TypedDict

from seqlab.schema.json_shapes import EXACT, Positive

_PACKAGES = ("seqlab", "torch", "numpy", "scipy", "scikit-learn", "tokenizers", "safetensors")


def _with_seqlabs(versions: dict[str, str]) -> dict[str, str]:
    if "seqlab" not in versions:
        raise ValueError(f"must have the version of seqlab. Got those of {', '.join(versions) or 'nothing'}.")
    return versions


@with_config(EXACT)
class Environment(TypedDict):
    """What the exact bits of a result depend on, besides the configuration and the data.

    kernels: which implementation of the recurrences runs. matmul: which implementation of matrix products the
    output layer has in training. versions: of packages.
    """

    threads: Positive
    device: str
    kernels: str
    matmul: str
    processor: str
    cores: int | None
    platform: str
    python: str
    versions: Annotated[dict[str, str], AfterValidator(_with_seqlabs)]


def describe(
    *, threads: int, device: str, kernels: str, matmul: str, plugins: Iterable[str] = ()
) -> Environment:
    """The environment of this process.

    Args:
        threads: threads of the numerical libraries.
        device: of the model.
        kernels: which implementation of the recurrences runs.
        matmul: which implementation of matrix products output and Transformer layers have in training.
        plugins: packages with plugins that the run uses.
    """
    return {
        "threads": threads,
        "device": device,
        "kernels": kernels,
        "matmul": matmul,
        "processor": processor(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions((*_PACKAGES, *plugins)),
    }


def _versions(packages: Iterable[str]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for package in packages:
        # Some are extras.
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def differences(then: Environment, now: Environment) -> list[str]:
    """Differences that may change the exact bits of a result, one sentence each."""
    keys = ("threads", "device", "kernels", "matmul", "processor", "versions")
    return [
        f"{key}: {then.get(key)} then, {now.get(key)} now" for key in keys if then.get(key) != now.get(key)
    ]


def forget_peak_memory() -> None:
    """Reset the peak of `peak_memory_mib`, where the system allows it, as Linux does."""
    # Some containers do not allow a process to write this file.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mib() -> float:
    """Peak memory of this process: on Linux since `forget_peak_memory`, elsewhere since its start."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    # macOS reports bytes, other systems KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def processor() -> str:
    """The processor's name according to the operating system."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
