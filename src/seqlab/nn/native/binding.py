"""Loading and calling the compiled library. `source/kernels.h` is the contract; names here are its names."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import machinery
from pathlib import Path
from typing import Any

import torch  # noqa: F401 (first: the library shares its OpenMP, so that there is one pool of threads)

from seqlab.schema.errors import WorkError

BUILDS: dict[str, int] = {"portable": 0, "avx2": 1, "avx512": 2}
"""Builds of the library by the level of processor they need; see `seqlab_level`."""
NO_MEMORY, NO_THREADS, WRONG_TOKEN = 2, 3, 4
_POINTER = ctypes.c_void_p
_COUNT = ctypes.c_int64


def _fields(counts: str = "", pointers: str = "") -> list[tuple[str, Any]]:
    return [(name, _COUNT) for name in counts.split()] + [(name, _POINTER) for name in pointers.split()]


class Layer(ctypes.Structure):
    """`seqlab_layer`."""

    _fields_ = [
        *_fields("size cell reverse threads B T E H", "lengths x"),
        *_fields("x_row x_step", "tokens"),
        *_fields("V", "weight_ih weight_hh bias_ih bias_hh h0 c0 y"),
        *_fields("y_row y_step", "saved hn cn dy"),
        *_fields("dy_row dy_step", "dhn dcn dx"),
        *_fields("dx_row dx_step", "dweight_ih dweight_hh dbias_ih dbias_hh dh0 dc0 dhidden"),
    ]


class Matrices(ctypes.Structure):
    """`seqlab_matrices`."""

    _fields_ = [
        *_fields("size threads M N K", "a"),
        *_fields("a_row a_turned", "b"),
        *_fields("b_row b_turned", "bias c"),
    ]


class Head(ctypes.Structure):
    """`seqlab_head`."""

    _fields_ = [
        *_fields("size threads N H V", "features"),
        *_fields("feature_row", "weight bias targets"),
        ("smoothing", ctypes.c_double),
        *_fields("", "nats dfeatures dweight dbias"),
    ]


_SIGNATURES: Mapping[str, tuple[Any, list[Any]]] = {
    "seqlab_saved_floats": (_COUNT, [ctypes.POINTER(Layer)]),
    "seqlab_reads_tokens": (_COUNT, [ctypes.POINTER(Layer)]),
    "seqlab_forward": (ctypes.c_int, [ctypes.POINTER(Layer)]),
    "seqlab_backward": (ctypes.c_int, [ctypes.POINTER(Layer)]),
    "seqlab_product": (ctypes.c_int, [ctypes.POINTER(Matrices)]),
    "seqlab_cross_entropy": (None, [_COUNT, _COUNT, _POINTER, _POINTER, ctypes.c_double, _POINTER, _COUNT]),
    "seqlab_head_fits": (_COUNT, [_COUNT, _COUNT]),
    "seqlab_head_loss": (ctypes.c_int, [ctypes.POINTER(Head)]),
    "seqlab_take": (_POINTER, [_COUNT]),
    "seqlab_give": (None, [_POINTER]),
    "seqlab_drop": (None, []),
    "seqlab_held": (None, [ctypes.POINTER(_COUNT), ctypes.POINTER(_COUNT)]),
    "seqlab_level": (ctypes.c_int, []),
    "seqlab_peak": (ctypes.c_double, [_COUNT]),
}


@dataclass(frozen=True)
class Library:
    """A loaded build; `calls` are its functions by name."""

    name: str
    calls: ctypes.CDLL

    def held(self) -> tuple[int, int]:
        """Bytes in use, and bytes kept for the next call that needs as many."""
        used, kept = _COUNT(), _COUNT()
        self.calls.seqlab_held(used, kept)
        return used.value, kept.value


class Block:
    """Memory of the library's own, given back when this object is let go."""

    def __init__(self, library: Library, floats: int):
        self._library = library
        self.address: int | None = library.calls.seqlab_take(floats)
        if self.address is None:
            raise WorkError(f"There is no memory for {4 * floats / 2**20:.0f} MiB more. Use a smaller batch.")

    def __del__(self) -> None:
        if getattr(self, "address", None) is not None:
            self._library.calls.seqlab_give(self.address)


def check(status: int) -> None:
    """Turn a function's result into an error.

    Raises:
        WorkError: there was not enough memory, or there were fewer threads than before.
    """
    if status == NO_MEMORY:
        raise WorkError("There is no memory for the layer's working space. Use a smaller batch.")
    if status == NO_THREADS:
        raise WorkError("OpenMP must give as many threads as it was asked for. Got fewer.")
    assert status == 0, f"the library answered {status}"


def path_of(build: str) -> Path | None:
    """Where a build was installed, beside this file; None if it was not."""
    places = (Path(__file__).with_name(f"_{build}{suffix}") for suffix in machinery.EXTENSION_SUFFIXES)
    return next((place for place in places if place.exists()), None)


def load(build: str) -> Library | None:
    """A build by name; None where it is not installed or this processor cannot run it.

    The portable build is asked what the processor can do, so it must be there, too.
    """
    portable = _open("portable")
    if portable is None or portable.seqlab_level() < BUILDS[build]:
        return None
    calls = portable if build == "portable" else _open(build)
    return None if calls is None else Library(build, calls)


def _open(build: str) -> ctypes.CDLL | None:
    path = path_of(build)
    if path is None:
        return None
    try:
        calls = ctypes.CDLL(str(path))
    except OSError:
        return None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(calls, name)
        function.restype, function.argtypes = result, arguments
    return calls
