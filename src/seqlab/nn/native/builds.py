"""Which build of the library is used, if any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from seqlab.nn.native.binding import BUILDS, Library, load
from seqlab.nn.native.output import usable
from seqlab.schema.errors import UserError

VARIABLE = "SEQLAB_KERNELS"
"""Of the environment: `reference` switches the library off, the name of a build chooses it."""
REFERENCE = "reference"
_forced: list[str] = []
"""Names inside `using`, the innermost last."""


def library() -> Library | None:
    """The build that `using` or SEQLAB_KERNELS names, or the best one here; None for the reference path.

    Raises:
        UserError: SEQLAB_KERNELS names what there is not.
    """
    wanted = _forced[-1] if _forced else os.environ.get(VARIABLE, "")
    if wanted == REFERENCE:
        return None
    if not wanted:
        return _best()
    if wanted not in BUILDS:
        raise UserError(f"'{VARIABLE}' must be one of {', '.join([REFERENCE, *BUILDS])}. Got {wanted!r}.")
    return _named(wanted)


def name() -> str:
    """How recurrent layers are computed on the CPU: the build in use, or `reference`."""
    used = library()
    return REFERENCE if used is None else used.name


@contextmanager
def using(wanted: str) -> Iterator[None]:
    """Use this build, or `reference`, in the whole process, whatever the environment says."""
    _forced.append(wanted)
    try:
        yield
    finally:
        _forced.pop()


def available() -> list[str]:
    """What `using` can name here."""
    return [REFERENCE, *(build for build in BUILDS if _loaded(build) is not None)]


@cache
def _loaded(build: str) -> Library | None:
    found = load(build)
    return found if found is not None and usable(found) else None


@cache
def _best() -> Library | None:
    return next((found for build in reversed(BUILDS) if (found := _loaded(build)) is not None), None)


def _named(build: str) -> Library:
    found = _loaded(build)
    if found is None:
        raise UserError(
            f"'{VARIABLE}' must name a build that this machine has and can run. Got {build!r}. "
            f"Here: {', '.join(available())}."
        )
    return found
