"""What answers texts for a run of any kind; for an ensemble all of its members together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from seqlab.evaluate.combined import combine
from seqlab.evaluate.loaded import load_run, read_trusted
from seqlab.evaluate.text_predictor import TextAnswers, TextPredictor
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.runs.ensemble_record import check_members, open_member
from seqlab.runs.run_folder import RunFolder


@dataclass(frozen=True)
class LoadedEnsemble(TextPredictor):
    """The members of an ensemble, each with its own tokenizer and model."""

    run: RunFolder
    config: AnyExperimentConfig
    labels: tuple[str, ...]
    members: tuple[TextPredictor, ...]

    @override
    def answers(self, texts: Sequence[str]) -> TextAnswers:
        found = [member.answers(texts) for member in self.members]
        outputs = combine(self.config, [each.outputs for each in found])
        # Known is what any member knows.
        return TextAnswers(outputs, np.logical_and.reduce([each.unknown for each in found]))


def load_predictor(run: RunFolder, *, trust: bool = False) -> TextPredictor:
    """What a run has learned, or what the members of an ensemble have.

    Args:
        run: the run.
        trust: see `load_run`.

    Raises:
        UserError: see `load_run`; or a member of an ensemble is missing, or has other weights than it had.
    """
    config = read_trusted(run, trust=trust)
    if not config.members:
        return load_run(run, trust=trust)
    check_members(run)
    members = (load_run(open_member(name, run.path.parent), trust=trust) for name in config.members)
    return LoadedEnsemble(run, config, tuple(run.data()["labels"]), tuple(members))
