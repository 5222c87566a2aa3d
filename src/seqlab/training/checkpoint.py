"""What a checkpoint holds: weights, optimiser, generators, carried state, counters. Never pickle."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seqlab.experiment.row_wise import RowWiseSgd
from seqlab.models.model import State
from seqlab.runs import checkpoints
from seqlab.runs.checkpoints import COUNTERS, MODEL, TRAINING
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

KEPT = 2


@dataclass
class Training:
    """The live objects whose state a checkpoint keeps, besides plain counters."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rows: RowWiseSgd | None
    generators: dict[str, torch.Generator]
    carried: State | None


def save(
    run: RunFolder, step: int, best_step: int | None, training: Training, counters: dict[str, Any]
) -> None:
    """Write the checkpoint of a step, then delete those no longer needed.

    Raises:
        WorkError: the disk is full; the checkpoints before stay valid.
    """
    tensors, plain = _optimizer_state(training.optimizer)
    tensors |= {f"generator.{name}": g.get_state() for name, g in training.generators.items()}
    if training.carried is not None:
        tensors |= {f"carried.{name}": t.contiguous() for name, t in training.carried.tensors.items()}
    raw = {} if training.rows is None else training.rows.state()
    tensors |= {f"rows.{name}": tensor for name, tensor in raw.items()}
    with (
        checkpoints.new_checkpoint(run.checkpoints, step, run.fingerprint) as path,
        _up_to_date(training.rows, raw),
    ):
        weights, aliases = _unique(training.model.state_dict())
        save_tensors(weights, path / MODEL)
        save_tensors(tensors, path / TRAINING)
        content = {"aliases": aliases, "optimizer": plain, "counters": counters}
        (path / COUNTERS).write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    checkpoints.prune(run.checkpoints, KEPT, best_step)


def load(run: RunFolder, path: Path, training: Training) -> dict[str, Any]:
    """Put a checkpoint's state into the live objects.

    Returns:
        The counters `save` was given.

    Raises:
        UserError: the checkpoint is damaged, of another run, or does not fit the model.
    """
    checkpoints.verify(path, run.fingerprint)
    content = json.loads((path / COUNTERS).read_text(encoding="utf-8"))
    _load_weights(path, training.model, content["aliases"])
    tensors = load_file(path / TRAINING)
    _restore_optimizer(training.optimizer, tensors, content["optimizer"])
    if training.rows is not None:
        training.rows.restore(_below(tensors, "rows."))
    for name, generator in training.generators.items():
        generator.set_state(tensors[f"generator.{name}"])
    carried = _below(tensors, "carried.")
    training.carried = State(carried) if carried else None
    return content["counters"]


def load_model(run: RunFolder, path: Path, model: nn.Module) -> dict[str, Any]:
    """Put a checkpoint's weights alone into a model; returns the counters.

    Raises:
        UserError: the checkpoint is damaged, of another run, or does not fit the model.
    """
    checkpoints.verify(path, run.fingerprint)
    content = json.loads((path / COUNTERS).read_text(encoding="utf-8"))
    _load_weights(path, model, content["aliases"])
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


@contextmanager
def _up_to_date(rows: RowWiseSgd | None, raw: dict[str, Tensor]) -> Iterator[None]:
    """The model as if every row moved in every step; afterwards the rows are as before, to the bit."""
    if rows is None:
        yield
        return
    rows.flush()
    try:
        yield
    finally:
        rows.restore(raw)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        # safetensors gives the operating system's error as text, its number in "(os error 28)".
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code)) from error


def _unique(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
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


def _load_weights(path: Path, model: nn.Module, aliases: dict[str, str]) -> None:
    weights = load_file(path / MODEL)
    weights |= {name: weights[owner] for name, owner in aliases.items()}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{path} must hold the weights of this model. Got others: {reason}") from None


def _optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split the optimiser's state into tensors and plain numbers, by parameter and name."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            key = f"optimizer.{index}.{name}"
            if isinstance(value, Tensor):
                tensors[key] = value.contiguous()
            else:
                plain[key] = value
    return tensors, plain


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], plain: dict[str, Any]
) -> None:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **plain}.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
