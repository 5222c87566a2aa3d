"""The weights of a checkpoint: finding the best one, writing and reading tensors. Never pickle."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seqlab.runs import checkpoints
from seqlab.runs.checkpoints import COUNTERS, MODEL
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import DamagedFileError, UserError


def load_best(run: RunFolder, model: nn.Module) -> dict[str, Any]:
    """Put the best weights of a run into a model; returns the counters.

    Raises:
        UserError: there is no checkpoint, or it is damaged, of another run, or does not fit the model.
    """
    while True:
        path = best_checkpoint(run)
        try:
            return load_model(run, path, model)
        except DamagedFileError:
            # A run that is being trained deletes a checkpoint when there is a better one.
            if path.exists() or best_checkpoint(run) == path:
                raise


def load_model(run: RunFolder, path: Path, model: nn.Module) -> dict[str, Any]:
    """Put the weights of a checkpoint into a model; returns the counters.

    Raises:
        UserError: the checkpoint is damaged, of another run, or does not fit the model.
    """
    checkpoints.verify(path, run.fingerprint)
    with reading(path):
        content = read_counters(path)
        load_weights(path, model, content["aliases"])
        return content["counters"]


def best_checkpoint(run: RunFolder) -> Path:
    """The best checkpoint by validation; the newest where nothing was validated.

    Raises:
        UserError: the run has no checkpoint yet, or its best one is gone.
    """
    if run.finished:
        return run.checkpoints / checkpoints.name(run.summary()["best_step"])
    newest = newest_checkpoint(run)
    if newest is None:
        raise UserError(f"{run.path} must have a checkpoint. Got none; `seqlab resume` it first.")
    checkpoints.verify(newest, run.fingerprint)
    with reading(newest):
        step = read_counters(newest)["counters"]["progress"]["best_step"]
        return newest if step is None else run.checkpoints / checkpoints.name(step)


def read_counters(path: Path) -> dict[str, Any]:
    """What a checkpoint holds besides tensors."""
    return json.loads(read_text(path / COUNTERS))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read the files of a checkpoint.

    Raises:
        DamagedFileError: they are gone, or not what seqlab writes.
    """
    try:
        yield
    except UserError:
        raise
    except (
        SafetensorError,
        OSError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
    ) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DamagedFileError(
            f"{path} must hold what seqlab writes. Got other content ({reason}). Delete it, or train again."
        ) from None


def newest_checkpoint(run: RunFolder) -> Path | None:
    """The checkpoint of the largest step, None before the first."""
    return next(reversed(checkpoints.checkpoints(run.checkpoints)), None)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    try:
        # safetensors lets nobody else read what it writes; a file made here has the mode of the umask.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.close(descriptor)
        save_file({name: _whole(tensor) for name, tensor in tensors.items()}, path)
        path.chmod(mode)
    except SafetensorError as error:
        # safetensors gives the operating system's error as text, its number in "(os error 28)".
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code)) from error


def _whole(tensor: Tensor) -> Tensor:
    """The tensor with memory of its own: safetensors refuses views, such as an expanded scalar."""
    tensor = tensor.detach().contiguous()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def unique_tensors(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors that are tied are stored once; the other names are kept as aliases."""
    first: dict[int, str] = {}
    unique: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    for name, tensor in state.items():
        owner = first.setdefault(tensor.data_ptr(), name) if tensor.numel() else name
        if owner == name:
            unique[name] = tensor.contiguous()
        else:
            aliases[name] = owner
    return unique, aliases


def load_weights(path: Path, model: nn.Module, aliases: dict[str, str]) -> None:
    """The inverse of `unique_tensors`, from the file of a checkpoint into a model.

    Raises:
        UserError: they are not the weights of this model.
    """
    weights = load_file(path / MODEL)
    weights |= {name: weights[owner] for name, owner in aliases.items()}
    kinds = {name: _kind(tensor) for name, tensor in model.state_dict().items()}
    for name in sorted(kinds.keys() | weights.keys()):
        got = _kind(weights[name]) if name in weights else "none"
        wanted = kinds.get(name, "none")
        if got != wanted:
            raise DamagedFileError(
                f"{path} must hold the weights of this model: {name!r} is {wanted}. Got {got}. "
                "Delete the checkpoint, or train again."
            )
    model.load_state_dict(weights)


def _kind(tensor: Tensor) -> str:
    """The shape and the type of a tensor, which loading would convert silently."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
