"""The layout of checkpoints: one directory each, complete or absent, with a manifest of checksums."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqlab.runs.atomic import directory
from seqlab.schema.errors import UserError

FORMAT = 1
MANIFEST = "manifest.json"


@contextmanager
def new_checkpoint(folder: Path, step: int, fingerprint: str) -> Iterator[Path]:
    """Yield a directory to fill; when the block ends it becomes the checkpoint of that step.

    Raises:
        WorkError: the disk is full; the checkpoints before stay valid.
    """
    path = folder / name(step)
    assert not path.exists(), "a step is saved once"
    with directory(path) as temporary:
        yield temporary
        manifest = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "step": step,
            "files": {file.name: _describe(file) for file in sorted(temporary.iterdir())},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def name(step: int) -> str:
    """Directory name of the checkpoint behind so many optimiser steps."""
    return f"step-{step:09d}"


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(folder.glob("step-*"))


def prune(folder: Path, keep: int, best_step: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    for path in checkpoints(folder)[:-keep]:
        if best_step is None or path.name != name(best_step):
            shutil.rmtree(path)


def verify(path: Path, fingerprint: str) -> dict[str, Any]:
    """Check a checkpoint against its manifest.

    Returns:
        The manifest.

    Raises:
        UserError: it is missing, damaged, of another run, or of a newer format.
    """
    manifest = _manifest(path)
    if manifest["format"] > FORMAT:
        raise UserError(
            f"{path} has checkpoint format {manifest['format']}; this seqlab reads up to {FORMAT}. "
            "Install a newer seqlab."
        )
    if manifest["fingerprint"] != fingerprint:
        raise UserError(
            f"{path} belongs to another run (fingerprint {manifest['fingerprint'][:12]}, "
            f"this run has {fingerprint[:12]}). Remove it from this run's checkpoints."
        )
    for file, described in manifest["files"].items():
        _check_file(path, file, described)
    return manifest


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return {key: manifest[key] for key in ("format", "fingerprint", "step", "files")}
    except FileNotFoundError:
        raise UserError(f"{path} must be a checkpoint with a {MANIFEST}. Got none. {_remedy(path)}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path / MANIFEST} is damaged: it is not a manifest. {_remedy(path)}") from None


def _check_file(path: Path, file: str, described: dict[str, Any]) -> None:
    target = path / file
    if not target.exists():
        raise UserError(f"{path} is damaged: {file} is missing. {_remedy(path)}")
    size = target.stat().st_size
    if size != described["bytes"]:
        raise UserError(
            f"{path} is damaged: {file} must have {described['bytes']} bytes. Got {size}. {_remedy(path)}"
        )
    if _describe(target)["sha256"] != described["sha256"]:
        raise UserError(f"{path} is damaged: the checksum of {file} differs. {_remedy(path)}")


def _remedy(path: Path) -> str:
    others = [other.name for other in checkpoints(path.parent) if other != path]
    if others:
        return f"Delete it to go on from {others[-1]}."
    return "Delete it to start the run from its beginning."


def _describe(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}
