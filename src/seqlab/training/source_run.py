"""The finished run whose weights another one starts from: found, checked, and copied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from seqlab.data.dataset import Dataset
from seqlab.data.locations import located
from seqlab.evaluate.loaded import read_config
from seqlab.evaluate.weights import best_checkpoint, read_weights
from seqlab.experiment.experiment import Experiment
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.state_check import tensor_kind
from seqlab.models.transfer import Taken
from seqlab.runs import checkpoints, run_folder
from seqlab.runs.checkpoints import MODEL
from seqlab.runs.new_run import RunStart
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import StartRecord
from seqlab.schema.code_settings import identity, load_code
from seqlab.schema.config import AnyConfig, plain, replaced
from seqlab.schema.errors import UserError
from seqlab.schema.settings import flat, format_setting
from seqlab.training.source_command import command_for

KEY = "model.init_from"
"""The setting that names such a run."""
_UNCUT = ("max_length", "keep")
"""Settings of a dataset that say how texts are cut, which changes no vocabulary."""


class MissingSourceError(UserError):
    """The run whose weights another one starts from does not exist, or is not finished."""


@dataclass(frozen=True)
class SourceRun:
    """A finished run, the checkpoint of its result, and what is taken from it.

    code: SHA-256 of the code of its user's own, by key. sha256: of the checkpoint's weights.
    """

    run: RunFolder
    config: AnyExperimentConfig
    code: Mapping[str, str]
    checkpoint: Path
    taken: Taken
    sha256: str

    @property
    def note(self) -> str:
        """Which weights training starts from, for people."""
        parts = ", ".join(own.removesuffix(".") for own in self.taken.weights.values()) or "all weights"
        return f"Starts from {self.run.path.name}, step {checkpoints.step_of(self.checkpoint):,}: {parts}."

    def start(self, experiment: Experiment) -> RunStart:
        """The weights that an experiment starts from, with their record.

        Raises:
            UserError: the runs have other tokens, labels or weights, or the checkpoint is damaged.
        """
        self._check_tokenizer(experiment.config, experiment.dataset)
        if self.taken.same_task:
            self._check_task(experiment.config, experiment.dataset)
        weights = self._taken(read_weights(self.run, self.checkpoint))
        own = {name: each for name, each in experiment.weights.items() if self.taken.replaces(name)}
        self._check_weights(weights, own)
        content = save({name: tensor.contiguous() for name, tensor in weights.items()})
        record: StartRecord = {
            "run": self.run.path.name,
            "fingerprint": self.run.fingerprint,
            "step": checkpoints.step_of(self.checkpoint),
            "sha256": self.sha256,
            "weights": hashlib.sha256(content).hexdigest(),
        }
        return RunStart(record, content)

    def check_model(self, config: AnyExperimentConfig) -> None:
        """Check that both models have the settings that the taken weights depend on.

        Raises:
            UserError: they do not.
        """
        own = {key: code.sha256 for key, code in load_code(config).items()}
        then, now = _model(self.config, self.code), _model(config, own)
        for same in self.taken.settings:
            before, after = then.get(same.there, same.without), now.get(same.own, same.without)
            if before == after:
                continue
            settable = same.own in now and before is not None
            remedy = f"Set model.{same.own}={format_setting(before)}, or train" if settable else "Train"
            raise UserError(
                f"'model.{same.own}' must be that of {self.run.path.name}, from which {KEY!r} starts: "
                f"{format_setting(before)}. Got {format_setting(after)}. {remedy} another run to start from."
            )

    def _check_tokenizer(self, config: AnyExperimentConfig, dataset: Dataset) -> None:
        data = self.run.data()
        own = {key: code.sha256 for key, code in load_code(config).items()}
        then, now = _checksum(data["tokenizer"], self.code), _checksum(dataset.tokenizer.spec(), own)
        if then != now:
            raise UserError(
                f"The tokenizer must be that of {self.run.path.name}, from which {KEY!r} starts: "
                f"{data['spec']['vocabulary']:,} tokens, SHA-256 {then[:12]}. "
                f"Got {len(dataset.tokenizer.vocabulary):,} tokens, SHA-256 {now[:12]}. "
                f"{self._remedy(config)}, or train the other run again: {command_for(self.run.name, config)}"
            )

    def _remedy(self, config: AnyExperimentConfig) -> str:
        """Which settings of the data have to be changed."""
        then, now = (flat(plain(located(each.data))) for each in (self.config, config))
        keys = [key for key in dict.fromkeys((*then, *now)) if then.get(key) != now.get(key)]
        there = " ".join(f"data.{key}={format_setting(then.get(key))}" for key in keys if key not in _UNCUT)
        return f"Set {there}, as there" if there else "Restore the content of the data, which was another one"

    def _check_task(self, config: AnyExperimentConfig, dataset: Dataset) -> None:
        then = (self.config.task.kind, ", ".join(self.run.data()["labels"]))
        now = (config.task.kind, ", ".join(dataset.labels))
        if then != now:
            raise UserError(
                f"{KEY!r} must name a language model, or a run of task {now[0]!r} with the labels {now[1]}. "
                f"Got {self.run.path.name}, of task {then[0]!r} with the labels {then[1]}."
            )

    def _check_weights(self, weights: Mapping[str, Tensor], drawn: Mapping[str, Tensor]) -> None:
        found, wanted = (
            {name: tensor_kind(tensor) for name, tensor in state.items()} for state in (weights, drawn)
        )
        for name in dict.fromkeys((*wanted, *found)):
            if wanted.get(name) != found.get(name):
                raise UserError(
                    f"The weights of {self.run.path.name}, from which {KEY!r} starts, must fit the model: "
                    f"{name!r} is {wanted.get(name, 'none')}. Got {found.get(name, 'none')}."
                )

    def _taken(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What is taken of the run's weights, by the own names."""
        renamed = {self.taken.renamed(name): tensor for name, tensor in state.items()}
        return {name: tensor for name, tensor in renamed.items() if name is not None}


def find_source(config: AnyExperimentConfig) -> SourceRun | None:
    """The run that the settings of a model name; None where its weights are drawn.

    Raises:
        MissingSourceError: there is no such run, or it is not finished.
        UserError: it is damaged, or its model is another one.
    """
    transfer = config.transfer
    if transfer is None:
        return None
    run = _finished_run(transfer.run, config)
    source, record = read_config(run), run.code()
    kind = plain(source).get("model", {}).get("kind")
    if kind not in transfer.sources:
        raise UserError(
            f"{KEY!r} must name a run of {' or '.join(map(repr, transfer.sources))}. Got {run.path.name}, "
            f"{'a baseline' if kind is None else f'a run of {kind!r}'}."
        )
    checkpoint = best_checkpoint(run)
    found = SourceRun(
        run,
        source,
        {key: entry["sha256"] for key, entry in ({} if record is None else record["entries"]).items()},
        checkpoint,
        transfer.sources[kind],
        checkpoints.verify(checkpoint, run.fingerprint)["files"][MODEL]["sha256"],
    )
    found.check_model(config)
    return found


def started_from(config: AnyConfig, sha256: str | None) -> AnyConfig:
    """The settings with the content of the weights that training starts from, whatever their run is called.

    Args:
        config: of an experiment.
        sha256: of the source's checkpoint; None where all weights are drawn.
    """
    return config if sha256 is None else replaced(config, {KEY: sha256})


def _finished_run(wanted: str, config: AnyExperimentConfig) -> RunFolder:
    known = run_folder.exists(Path(wanted)) or any(name.startswith(wanted) for name in run_folder.names())
    try:
        run = run_folder.find(wanted)
    except UserError as error:
        remedy = "" if known else f" Train it first: {command_for(wanted, config)}"
        raise MissingSourceError(f"{KEY!r}: {error}{remedy}") from None
    if not run.finished:
        state = "is being trained" if run.running else "is not finished"
        raise MissingSourceError(
            f"{KEY!r} must name a finished run. Got {run.path.name}, which {state}. "
            f"{'Wait for it' if run.running else 'Finish it'}: seqlab resume {run.path.name}"
        )
    return run


def _model(config: AnyExperimentConfig, code: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a model by their keys in its table, code by its content."""
    return flat(plain(identity(config, code))["model"])


def _checksum(spec: Mapping[str, Any], code: Mapping[str, str]) -> str:
    """SHA-256 of a tokenizer: its vocabulary, its settings, and the code of its user's own."""
    own = {key: sha256 for key, sha256 in code.items() if key.startswith("data.tokenizer.")}
    return hashlib.sha256(json.dumps([spec, own], sort_keys=True).encode()).hexdigest()
