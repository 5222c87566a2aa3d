"""The choice of the matmul backend: named by the user, or measured once per machine and cached."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

from seqlab.data.fetch import cache_folder, write_note
from seqlab.nn.matmul import MATMULS, TORCH, Matmul, fastest, named, usable
from seqlab.nn.native import builds
from seqlab.runs import atomic, environment
from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import DamagedFileError, UserError
from seqlab.schema.json_shapes import parse_json

_CACHE_FILE = "matmul.json"


def choose(wanted: str, *, device: str, threads: int) -> Matmul:
    """The backend to train with; `auto` takes the fastest one.

    Timings vary with the load of the machine, and another backend gives other bits. So that a repeated run
    gives the same bits, the first measurement is cached, by processor, version of torch and threads.

    Raises:
        UserError: the named backend does not work here.
    """
    if device != "cpu" and wanted == "auto":
        return TORCH
    if wanted != "auto":
        if wanted != TORCH.name and (device != "cpu" or not usable(MATMULS[wanted])):
            raise UserError(
                f"'training.matmul' must name what works here. Got {wanted!r}. Nearest: {TORCH.name!r}."
            )
        return MATMULS[wanted]
    parts = [environment.processor(), f"torch {metadata.version('torch')}", f"kernels {builds.build_name()}"]
    key = ", ".join([*parts, f"{threads} threads"])
    path = cache_folder() / _CACHE_FILE
    # Of a process that was killed after another one had written the same: nobody would write it again.
    atomic.remove_leftovers(path.parent, path.name)
    known = _read(path)
    if not _is_name(known.get(key)):
        known[key] = fastest().name
        write_note(path, json.dumps(known, indent=1))
    return chosen(known[key])


def chosen(name: str) -> Matmul:
    """The backend of this name if it still works here; otherwise torch's, which always does."""
    matmul = named(name) if _is_name(name) else TORCH
    return matmul if usable(matmul) else TORCH


def _is_name(name: object) -> bool:
    parts = name.split("+") if isinstance(name, str) else []
    return len(parts) in (1, 3) and set(parts) <= set(MATMULS)


def _read(path: Path) -> dict[str, str]:
    try:
        return parse_json(read_text(path), dict[str, str], path)
    except DamagedFileError:
        return {}  # a new measurement replaces it
