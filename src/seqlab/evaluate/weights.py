"""The weights of a checkpoint: finding the best one, writing and reading tensors. Never pickle."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ConfigDict, with_config
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn
from typing_extensions import TypedDict

from seqlab.experiment.state_check import tensor_kind
from seqlab.runs import checkpoints
from seqlab.runs.checkpoints import COUNTERS, MODEL
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import DamagedFileError, UserError
from seqlab.schema.json_shapes import Count, Shape, parse_json

_PART = with_config(ConfigDict(strict=True))
"""Of a shape that is a part of what a checkpoint holds; training reads all of it."""


@_PART
class SavedCounters(TypedDict):
    """Finished steps and epochs, tokens seen, and the best step; None where nothing was validated."""

    step: Count
    epoch: Count
    tokens: Count
    best_step: Count | None


@_PART
class _SavedProgress(TypedDict):
    progress: SavedCounters


@_PART
class _SavedWeights(TypedDict):
    aliases: dict[str, str]
    counters: _SavedProgress


def load_best(run: RunFolder, model: nn.Module) -> SavedCounters:
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


def load_model(run: RunFolder, path: Path, model: nn.Module) -> SavedCounters:
    """Put the weights of a checkpoint into a model; returns the counters.

    Raises:
        UserError: the checkpoint is damaged, of another run, or does not fit the model.
    """
    checkpoints.verify(path, run.fingerprint)
    with reading(path):
        content = read_counters(path, _SavedWeights)
        load_weights(path, model, content["aliases"])
        return content["counters"]["progress"]


def read_weights(run: RunFolder, path: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint by name, tied ones under each of their names.

    Raises:
        UserError: the checkpoint is damaged, or of another run.
    """
    checkpoints.verify(path, run.fingerprint)
    with reading(path):
        return _stored(path, read_counters(path, _SavedWeights)["aliases"])


def load_start(run: RunFolder, model: nn.Module) -> None:
    """Put the weights that a run starts from into its model; the others stay as they are drawn.

    Raises:
        UserError: the run's copy of them is damaged, or does not fit the model.
    """
    content = run.start_weights()
    if content is None:
        return
    with reading(run.start_copy):
        unexpected = model.load_state_dict(load(content), strict=False).unexpected_keys
        if unexpected:
            raise ValueError(f"the model has no {unexpected[0]!r}")


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
        step = read_counters(newest, _SavedWeights)["counters"]["progress"]["best_step"]
        return newest if step is None else run.checkpoints / checkpoints.name(step)


def read_counters(path: Path, shape: type[Shape]) -> Shape:
    """What a checkpoint holds besides tensors.

    Raises:
        DamagedFileError: it does not have this shape.
    """
    return parse_json(read_text(path / COUNTERS), shape, path / COUNTERS)


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
    weights = _stored(path, aliases)
    kinds = {name: tensor_kind(tensor) for name, tensor in model.state_dict().items()}
    for name in sorted(kinds.keys() | weights.keys()):
        got = tensor_kind(weights[name]) if name in weights else "none"
        wanted = kinds.get(name, "none")
        if got != wanted:
            raise DamagedFileError(
                f"{path} must hold the weights of this model: {name!r} is {wanted}. Got {got}. "
                "Delete the checkpoint, or train again."
            )
    model.load_state_dict(weights)


def _stored(path: Path, aliases: dict[str, str]) -> dict[str, Tensor]:
    weights = load_file(path / MODEL)
    return weights | {name: weights[owner] for name, owner in aliases.items()}
