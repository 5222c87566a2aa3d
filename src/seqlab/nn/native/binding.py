"""Loading and calling the compiled library. `source/kernels.h` is the contract, and names are its names."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import machinery
from pathlib import Path
from typing import Any

# Imported first: the library then uses torch's OpenMP runtime, so that a process has one pool of threads.
from torch import Tensor

from seqlab.schema.errors import WorkError

BUILDS: dict[str, int] = {"portable": 0, "avx2": 1, "avx512": 2}
"""Builds of the library and the level of processor they need, ascending; see `seqlab_level`."""
NO_MEMORY, NO_THREADS, WRONG_TOKEN = 2, 3, 4
_POINTER = ctypes.c_void_p
_COUNT = ctypes.c_int64


def _fields(counts: str = "", pointers: str = "") -> list[tuple[str, Any]]:
    return [(name, _COUNT) for name in counts.split()] + [(name, _POINTER) for name in pointers.split()]


# The fields must be those of the C structures, in their order. `size` detects a difference only if the number
# of bytes differs; two pointers in the wrong order would not be noticed.


class LayerArguments(ctypes.Structure):
    """`seqlab_layer`."""

    _fields_ = [
        *_fields("size cell reverse threads B T E H", "lengths x"),
        *_fields("x_row x_step", "tokens"),
        *_fields("V", "weight_ih weight_hh bias_ih bias_hh h0 c0 y"),
        *_fields("y_row y_step", "saved hn cn dy"),
        *_fields("dy_row dy_step", "dhn dcn dx"),
        *_fields("dx_row dx_step", "dweight_ih dweight_hh dbias_ih dbias_hh dh0 dc0 dhidden"),
    ]


class MatmulArguments(ctypes.Structure):
    """`seqlab_matrices`."""

    _fields_ = [
        *_fields("size threads M N K", "a"),
        *_fields("a_row a_transposed", "b"),
        *_fields("b_row b_transposed", "bias c"),
    ]


class HeadArguments(ctypes.Structure):
    """`seqlab_head`."""

    _fields_ = [
        *_fields("size threads N H V", "features"),
        *_fields("feature_row", "weight bias targets"),
        ("smoothing", ctypes.c_double),
        *_fields("", "nats dfeatures dweight dbias"),
    ]


class DropoutArguments(ctypes.Structure):
    """`seqlab_dropped`."""

    _fields_ = [
        *_fields("size threads count", "x y"),
        ("seed", ctypes.c_uint64),
        ("share", ctypes.c_double),
    ]


class AttentionArguments(ctypes.Structure):
    """`seqlab_attention`."""

    _fields_ = [
        *_fields("size threads count T backward", "weights dropped"),
        ("seed", ctypes.c_uint64),
        ("share", ctypes.c_double),
        ("scale", ctypes.c_double),
    ]


_SIGNATURES: Mapping[str, tuple[Any, list[Any]]] = {
    "seqlab_saved_floats": (_COUNT, [ctypes.POINTER(LayerArguments)]),
    "seqlab_reads_tokens": (_COUNT, [ctypes.POINTER(LayerArguments)]),
    "seqlab_forward": (ctypes.c_int, [ctypes.POINTER(LayerArguments)]),
    "seqlab_backward": (ctypes.c_int, [ctypes.POINTER(LayerArguments)]),
    "seqlab_product": (ctypes.c_int, [ctypes.POINTER(MatmulArguments)]),
    "seqlab_cross_entropy": (None, [_COUNT, _COUNT, _POINTER, _POINTER, ctypes.c_double, _POINTER, _COUNT]),
    "seqlab_head_fits": (_COUNT, [_COUNT, _COUNT]),
    "seqlab_head_loss": (ctypes.c_int, [ctypes.POINTER(HeadArguments)]),
    "seqlab_dropout": (ctypes.c_int, [ctypes.POINTER(DropoutArguments)]),
    "seqlab_attention_weights": (ctypes.c_int, [ctypes.POINTER(AttentionArguments)]),
    "seqlab_allocate": (_POINTER, [_COUNT]),
    "seqlab_release": (None, [_POINTER]),
    "seqlab_release_unused": (None, []),
    "seqlab_memory_use": (None, [ctypes.POINTER(_COUNT), ctypes.POINTER(_COUNT)]),
    "seqlab_level": (ctypes.c_int, []),
    "seqlab_peak": (ctypes.c_double, [_COUNT]),
}


@dataclass(frozen=True)
class Library:
    """A loaded build; `calls` are its functions by name."""

    name: str
    calls: ctypes.CDLL

    def memory_use(self) -> tuple[int, int]:
        """Bytes in use, and bytes cached for later calls."""
        used, cached = _COUNT(), _COUNT()
        self.calls.seqlab_memory_use(used, cached)
        return used.value, cached.value


class Block:
    """Memory from the library's pool, released when this object is deleted."""

    def __init__(self, library: Library, floats: int):
        self._library = library
        self.address: int | None = library.calls.seqlab_allocate(floats)
        if self.address is None:
            size = 4 * floats / 2**20
            raise WorkError(f"A recurrent layer needs {size:.0f} MiB more than is free. Use a smaller batch.")

    def __del__(self) -> None:
        # The attribute is missing if the call in __init__ raised.
        if getattr(self, "address", None) is not None:
            self._library.calls.seqlab_release(self.address)


def address(tensor: Tensor | None) -> int | None:
    """The address of a tensor's first element; None, a null pointer, without a tensor.

    It does not keep the tensor alive: the caller holds a reference until the library has returned.
    """
    return None if tensor is None else tensor.data_ptr()


def check(status: int) -> None:
    """Turn a function's status into an error.

    Raises:
        WorkError: there was not enough memory, or OpenMP started fewer threads than requested.
    """
    if status == NO_MEMORY:
        raise WorkError("A layer's working memory is larger than what is free. Use a smaller batch.")
    if status == NO_THREADS:
        raise WorkError("OpenMP must start as many threads as requested. Got fewer.")
    assert status == 0, f"the library returned status {status}"


def path_of(build: str) -> Path | None:
    """The file of a build, which is installed next to this one; None if there is none."""
    paths = (Path(__file__).with_name(f"_{build}{suffix}") for suffix in machinery.EXTENSION_SUFFIXES)
    return next((path for path in paths if path.exists()), None)


def load(build: str) -> Library | None:
    """A build by name; None where it is not installed or this processor cannot run it.

    The portable build reports the processor's level, so it must be installed, too.
    """
    portable = _open("portable")
    if portable is None or portable.seqlab_level() < BUILDS[build]:
        return None
    calls = portable if build == "portable" else _open(build)
    return None if calls is None else Library(build, calls)


def _open(build: str) -> ctypes.CDLL | None:
    path = path_of(build)
    return None if path is None else open_library(path)


def open_library(path: Path) -> ctypes.CDLL | None:
    """The functions of the build at a path; None if the file cannot be loaded or lacks one of them."""
    try:
        calls = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(calls, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):  # AttributeError: built from other sources
        return None
    return calls
