"""The content of a checkpoint: weights, optimizer, generators, carried state, counters. Never pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import with_config
from safetensors.torch import load_file
from torch import Tensor, nn
from typing_extensions import TypedDict

from seqlab.evaluate.weights import load_weights, read_counters, reading, save_tensors, unique_tensors
from seqlab.experiment import state_tree
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.optimizers import restore_state
from seqlab.experiment.row_wise import RowWiseSgd
from seqlab.experiment.state_check import check_optimizer, state_after_a_step
from seqlab.models.model import State
from seqlab.runs import checkpoints
from seqlab.runs.checkpoints import COUNTERS, MODEL, TRAINING
from seqlab.runs.journal import JournalMark
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.json_shapes import EXACT
from seqlab.training.averaged_weights import AveragedWeights
from seqlab.training.progress import Progress

KEPT = 2


@with_config(EXACT)
class _Counters(TypedDict):
    progress: Progress
    schedule: dict[str, float]


@with_config(EXACT)
class _Content(TypedDict):
    """What a checkpoint holds besides tensors.

    aliases: the stored name of each tied tensor, by its other names. optimizer: see `state_tree`.
    """

    aliases: dict[str, str]
    optimizer: Any
    counters: _Counters


@dataclass
class Training:
    """The live objects whose state a checkpoint stores, besides plain counters.

    averaged: the weights that a checkpoint's model has; those that training continues with are stored apart.
    """

    model: nn.Module
    averaged: AveragedWeights
    optimizer: torch.optim.Optimizer
    rows: RowWiseSgd | None
    generators: dict[str, torch.Generator]
    carried: State | None

    @staticmethod
    def of(experiment: NetworkExperiment) -> Training:
        """Those of an experiment before its first step."""
        return Training(
            experiment.model,
            AveragedWeights(experiment.model, experiment.config.training.averaging.build()),
            experiment.optimizer,
            experiment.rows,
            experiment.generators,
            carried=None,
        )


def save(
    run: RunFolder,
    progress: Progress,
    training: Training,
    schedule: dict[str, float],
    marks: Mapping[str, JournalMark],
) -> None:
    """Write the checkpoint of a step, then delete those that are no longer needed.

    Args:
        run: the run.
        progress: its counters.
        training: what is trained.
        schedule: state of the schedule.
        marks: what the journals are now.

    Raises:
        WorkError: the disk is full, and earlier checkpoints stay valid; or the run's folder was deleted.
    """
    run.check_present()
    tensors: dict[str, Tensor] = {}
    optimizer = state_tree.pack(training.optimizer.state_dict(), "optimizer", tensors)
    tensors |= {f"generator.{name}": g.get_state() for name, g in training.generators.items()}
    if training.carried is not None:
        tensors |= {f"carried.{name}": t.contiguous() for name, t in training.carried.tensors.items()}
    raw = {} if training.rows is None else training.rows.state()
    tensors |= {f"rows.{name}": tensor for name, tensor in raw.items()}
    tensors |= {f"averaging.{name}": tensor for name, tensor in training.averaged.state().items()}
    with checkpoints.new_checkpoint(run.checkpoints, progress.step, run.fingerprint, marks) as path:
        # Before the weights of the model are others for a moment.
        save_tensors(tensors, path / TRAINING)
        with _up_to_date(training.rows, raw), training.averaged.applied():
            weights, aliases = unique_tensors(training.model.state_dict())
            save_tensors(weights, path / MODEL)
        counters = {"progress": dataclasses.asdict(progress), "schedule": schedule}
        content = {"aliases": aliases, "optimizer": optimizer, "counters": counters}
        (path / COUNTERS).write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    checkpoints.prune(run.checkpoints, KEPT, progress.best_step)


@dataclass(frozen=True)
class Saved:
    """What a checkpoint has besides the state of live objects: the arguments of `save`."""

    progress: Progress
    schedule: dict[str, float]
    marks: Mapping[str, JournalMark]


def load(run: RunFolder, path: Path, training: Training) -> Saved:
    """Load the state of a checkpoint into the live objects.

    Raises:
        UserError: the checkpoint is damaged, of another run, or does not fit the model.
    """
    manifest = checkpoints.verify(path, run.fingerprint)
    with reading(path):
        content = read_counters(path, _Content)
        # The step also moves the weights, which are read afterwards.
        live = state_after_a_step(training.optimizer)
        load_weights(path, training.model, content["aliases"])
        tensors = load_file(path / TRAINING)
        saved = state_tree.unpack(content["optimizer"], tensors)
        check_optimizer(live, saved)
        restore_state(training.optimizer, saved)
        if training.rows is not None:
            training.rows.restore(_below(tensors, "rows."))
        counters = content["counters"]
        training.averaged.restore(_below(tensors, "averaging."), counters["progress"].step)
        for name, generator in training.generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        carried = _below(tensors, "carried.")
        training.carried = State(carried) if carried else None
        return Saved(counters["progress"], counters["schedule"], manifest["journals"])


@contextmanager
def _up_to_date(rows: RowWiseSgd | None, raw: dict[str, Tensor]) -> Iterator[None]:
    """The model with every row up to date; afterwards the rows are as before, bit for bit.

    Restoring them makes a run independent of when its checkpoints were written.
    """
    if rows is None:
        yield
        return
    rows.flush()
    try:
        yield
    finally:
        rows.restore(raw)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
