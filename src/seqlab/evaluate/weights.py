"""The weights of a checkpoint: finding the best one, writing and reading tensors. Never pickle."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seqlab.runs import checkpoints
from seqlab.runs.checkpoints import COUNTERS, MODEL
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError


def load_model(run: RunFolder, path: Path, model: nn.Module) -> dict[str, Any]:
    """Put the weights of a checkpoint into a model; returns the counters.

    Raises:
        UserError: the checkpoint is damaged, of another run, or does not fit the model.
    """
    checkpoints.verify(path, run.fingerprint)
    content = json.loads((path / COUNTERS).read_text(encoding="utf-8"))
    load_weights(path, model, content["aliases"])
    return content["counters"]


def best_checkpoint(run: RunFolder) -> Path:
    """The best checkpoint by validation; the newest where nothing was validated.

    Raises:
        UserError: the run has no checkpoint yet, or its best one is gone.
    """
    newest = newest_checkpoint(run)
    if newest is None:
        raise UserError(f"{run.path} must have a checkpoint. Got none; `seqlab resume` it first.")
    checkpoints.verify(newest, run.fingerprint)
    counters = json.loads((newest / COUNTERS).read_text(encoding="utf-8"))["counters"]
    step = counters["progress"]["best_step"]
    return newest if step is None else run.checkpoints / checkpoints.name(step)


def newest_checkpoint(run: RunFolder) -> Path | None:
    """The checkpoint of the largest step, None before the first."""
    return next(reversed(checkpoints.checkpoints(run.checkpoints)), None)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    try:
        save_file({name: _whole(tensor) for name, tensor in tensors.items()}, path)
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
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{path} must hold the weights of this model. Got others: {reason}") from None
