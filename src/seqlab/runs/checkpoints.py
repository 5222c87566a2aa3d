"""The layout of checkpoints: one directory per step, complete or absent, with a manifest of checksums.

checkpoints/step-000000400/
    manifest.json           format version, fingerprint of the run, size and SHA-256 of each file, marks of
                            the run's journals
    model.safetensors       a network's weights
    training.safetensors    tensors of the optimizer, the generators and the carried state
    training.json           everything else that resuming needs
    baseline.safetensors    of a baseline: what it has fitted, instead of the three above
    ensemble.json           of an ensemble: the weights of its members, instead of all above
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs.atomic import directory, remove
from seqlab.runs.format_version import check_format
from seqlab.runs.journal import JournalMark
from seqlab.runs.plain_files import check_name
from seqlab.runs.typed_json import read_json, to_json
from seqlab.schema.errors import DamagedFileError
from seqlab.schema.json_shapes import EXACT, Count, Sha256

FORMAT = 3
MODEL, TRAINING, COUNTERS = "model.safetensors", "training.safetensors", "training.json"
BASELINE, ENSEMBLE = "baseline.safetensors", "ensemble.json"
_FILES = (MODEL, TRAINING, COUNTERS, BASELINE, ENSEMBLE)
_MANIFEST = "manifest.json"
_STEP = re.compile("step-[0-9]{9,}")
WRITTEN = re.compile(rf"({_STEP.pattern})(/({'|'.join((_MANIFEST, *_FILES))}))?")
"""The paths, in the folder of checkpoints, of what is written there."""


@with_config(EXACT)
class FileEntry(TypedDict):
    """Size and checksum of one file."""

    bytes: Count
    sha256: Sha256


@with_config(EXACT)
class Manifest(TypedDict):
    """The list of a checkpoint's files; fingerprint: of the run; journals: what they were, by name."""

    format: int
    fingerprint: Sha256
    step: Count
    files: dict[str, FileEntry]
    journals: dict[str, JournalMark]


@contextmanager
def new_checkpoint(
    folder: Path, step: int, fingerprint: str, journals: Mapping[str, JournalMark] | None = None
) -> Iterator[Path]:
    """Yield a directory to fill; at the end of the block it becomes the checkpoint of that step.

    Args:
        folder: of the run's checkpoints.
        step: after which it is made.
        fingerprint: of the run.
        journals: what the run's journals are, by name; None where they have not begun.

    Raises:
        WorkError: the disk is full; earlier checkpoints stay valid.
    """
    path = folder / name(step)
    assert not path.exists(), "a step is saved only once"
    with directory(path) as temporary:
        yield temporary
        manifest: Manifest = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "step": step,
            "files": {file.name: _describe(file) for file in sorted(temporary.iterdir())},
            "journals": dict(journals or {}),
        }
        (temporary / _MANIFEST).write_text(to_json(manifest, _subject(path)), encoding="utf-8")


def name(step: int) -> str:
    """Directory name of the checkpoint after `step` optimizer steps."""
    return f"step-{step:09d}"


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted((path for path in folder.glob("step-*") if _STEP.fullmatch(path.name)), key=step_of)


def step_of(path: Path) -> int:
    """The optimizer step of a checkpoint, from its name."""
    return int(path.name.removeprefix("step-"))


def prune(folder: Path, keep: int, best_step: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best one.

    Raises:
        WorkError: the folder cannot be written.
    """
    for path in checkpoints(folder)[:-keep]:
        if best_step is None or path.name != name(best_step):
            remove(path)


def marks(folder: Path) -> Mapping[str, JournalMark]:
    """What the journals were at the newest checkpoint; empty before the first, and where that is damaged."""
    newest = next(reversed(checkpoints(folder)), None)
    try:
        return {} if newest is None else read_json(newest / _MANIFEST, Manifest, _subject(newest))["journals"]
    except DamagedFileError:
        return {}


def verify(path: Path, fingerprint: str) -> Manifest:
    """Check a checkpoint against its manifest.

    Returns:
        The manifest.

    Raises:
        UserError: it is missing, damaged, of another run, or of another format.
    """
    manifest = _manifest(path)
    if manifest["fingerprint"] != fingerprint:
        raise DamagedFileError(
            f"{path} belongs to another run (fingerprint {manifest['fingerprint'][:12]}, "
            f"this run has {fingerprint[:12]}). Remove it from this run's checkpoints."
        )
    # Sizes and checksums, because a damaged weight would change results without an error.
    for file, described in manifest["files"].items():
        _check_file(path, check_name(file, str(path / _MANIFEST)), described)
    return manifest


def _manifest(path: Path) -> Manifest:
    file = path / _MANIFEST
    if not os.path.lexists(file):
        raise DamagedFileError(f"{path} must be a checkpoint with a {_MANIFEST}. Got none. {_remedy(path)}")
    check_format(file, "checkpoint", FORMAT, older=_remedy(path))
    try:
        return read_json(file, Manifest, _subject(path))
    except DamagedFileError as error:
        raise DamagedFileError(f"{error} {_remedy(path)}") from None


def _subject(path: Path) -> str:
    """What the manifest of a checkpoint is of: two checkpoints cannot be exchanged."""
    return f"{path.name}/{_MANIFEST}"


def _check_file(path: Path, file: str, described: FileEntry) -> None:
    target = path / file
    if not target.is_file():
        raise DamagedFileError(f"{path} is damaged: {file} is missing. {_remedy(path)}")
    size = target.stat().st_size
    if size != described["bytes"]:
        raise DamagedFileError(
            f"{path} is damaged: {file} must have {described['bytes']} bytes. Got {size}. {_remedy(path)}"
        )
    if _describe(target)["sha256"] != described["sha256"]:
        raise DamagedFileError(f"{path} is damaged: the checksum of {file} differs. {_remedy(path)}")


def _remedy(path: Path) -> str:
    others = [other.name for other in checkpoints(path.parent) if other != path]
    if others:
        return f"Delete it to continue from {others[-1]}."
    return "Delete it to start the run from scratch."


def _describe(file: Path) -> FileEntry:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}
