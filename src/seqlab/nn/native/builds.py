"""Which build of the native library is used, if any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol, runtime_checkable

import torch

from seqlab.nn.native.binding import BUILDS, Library, load
from seqlab.nn.native.output import multiplies_correctly
from seqlab.schema.errors import UserError

VARIABLE = "SEQLAB_KERNELS"
"""Environment variable: the name of a build, or `reference` to compute without the library."""
REFERENCE = "reference"
# Not in os.environ, which processes that are started meanwhile would inherit.
_forced: list[str] = []
"""Arguments of the active `use_build` contexts, the innermost last."""


@runtime_checkable
class Placed(Protocol):
    """A tensor, or what is computed as one, such as a `Lookup`."""

    @property
    def dtype(self) -> torch.dtype:
        """Of its elements."""
        ...

    @property
    def device(self) -> torch.device:
        """Where they are."""
        ...


def active_library() -> Library | None:
    """The build that `use_build` or SEQLAB_KERNELS names, else the best one; None for the reference path.

    Raises:
        UserError: SEQLAB_KERNELS names a build that does not exist, or that this machine cannot run.
    """
    requested = _forced[-1] if _forced else os.environ.get(VARIABLE, "")
    if requested == REFERENCE:
        return None
    if not requested:
        return _best()
    if requested not in BUILDS:
        raise UserError(f"'{VARIABLE}' must be one of {', '.join([REFERENCE, *BUILDS])}. Got {requested!r}.")
    return _named(requested)


def library_for(*tensors: Placed | None) -> Library | None:
    """The active library if it can compute with all of these tensors: float32 on the CPU."""
    fits = all(t is None or (t.dtype == torch.float32 and t.device.type == "cpu") for t in tensors)
    return active_library() if fits else None


def build_name() -> str:
    """How recurrent layers are computed on the CPU: the name of the active build, or `reference`."""
    library = active_library()
    return REFERENCE if library is None else library.name


@contextmanager
def use_build(name: str) -> Iterator[None]:
    """Use this build, or `reference`, in the whole process; it takes precedence over the environment."""
    _forced.append(name)
    try:
        yield
    finally:
        _forced.pop()


def available_builds() -> list[str]:
    """The names that `use_build` accepts on this machine, the best build last."""
    return [REFERENCE, *(build for build in BUILDS if _loaded(build) is not None)]


# Cached: a library is loaded and tested once per process. It is never unloaded: graphs may use its memory.
@cache
def _loaded(build: str) -> Library | None:
    library = load(build)
    return library if library is not None and multiplies_correctly(library) else None


@cache
def _best() -> Library | None:
    return next((library for build in reversed(BUILDS) if (library := _loaded(build)) is not None), None)


def _named(build: str) -> Library:
    library = _loaded(build)
    if library is None:
        raise UserError(
            f"'{VARIABLE}' must name a build that is installed and that this processor runs. Got {build!r}. "
            f"Available: {', '.join(available_builds())}."
        )
    return library
