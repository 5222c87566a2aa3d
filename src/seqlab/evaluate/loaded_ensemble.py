"""What answers texts for a run of any kind; for an ensemble all of its members together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.evaluate.combined import combine
from seqlab.evaluate.loaded import load_run, read_trusted
from seqlab.evaluate.prediction import Floats
from seqlab.evaluate.text_predictor import TextAnswers, TextPredictor, TokenModel
from seqlab.evaluate.word_groups import ReadText, WordGroup, read_by_all, without_span
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.runs.ensemble_record import check_members, open_member
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError


@dataclass(frozen=True)
class LoadedEnsemble(TextPredictor):
    """The members of an ensemble, each with its own tokenizer and model."""

    run: RunFolder
    config: AnyExperimentConfig
    labels: tuple[str, ...]
    members: tuple[TextPredictor, ...]
    left_out: ClassVar[str] = (
        "Whole words are left out of the text, which each member then reads by its own tokens; one that cuts "
        "texts reads the next word instead."
    )

    @override
    def answers(self, texts: Sequence[str]) -> TextAnswers:
        found = [member.answers(texts) for member in self.members]
        outputs = combine(self.config, [each.outputs for each in found])
        # Known is what any member knows.
        return TextAnswers(outputs, np.logical_and.reduce([each.unknown for each in found]))

    @override
    def read(self, text: str) -> ReadText:
        return read_by_all(text, [member.read(text) for member in self.members])

    @override
    def without(self, read: ReadText, words: Sequence[WordGroup]) -> Floats:
        spans = [word.span for word in words if word.span is not None]
        assert len(spans) == len(words), "`read_by_all` gives every word a position"
        return self.answers([without_span(read.text, span) for span in spans]).outputs

    @override
    def one_model(self) -> TokenModel:
        raise UserError(
            f"Weights and gradients must be those of one model. Got an ensemble, {self.run.path.name}. "
            "Nearest: occlusion."
        )


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
