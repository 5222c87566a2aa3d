"""A trained network that adapts to the text that it is scored on, as a card describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import override

from seqlab.evaluate.adaptation import Adaptation, AdaptationConfig, no_adaptation
from seqlab.evaluate.adaptive_scoring import AdaptiveScoring
from seqlab.evaluate.fitted import Fitted, ScoringProgress, split_of
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.evaluate import tally
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.measure.metric import Scored
from seqlab.measure.metric_kinds import METRICS
from seqlab.runs.cards import NAMES_OF_ADAPTATIONS
from seqlab.schema.errors import DivergedError, UserError
from seqlab.schema.records import Moment


class AdaptedNetwork(Fitted):
    """A network with an adaptation; see `Fitted`. Its own weights are those of the run before and after."""

    def __init__(
        self,
        experiment: NetworkExperiment,
        moment: Moment,
        budget: Mapping[str, Any],
        scoring: AdaptiveScoring,
        adaptation: Adaptation,
    ):
        self.config, self.dataset, self.task = experiment.config, experiment.dataset, experiment.task
        self.seed, self.moment, self.budget = experiment.config.seed, moment, budget
        self.adaptation, self._config = adaptation.entry, adaptation.config
        self._scoring, self._words = scoring, NAMES_OF_ADAPTATIONS[adaptation.config.kind]

    @override
    def score(
        self,
        split: str,
        metrics: Sequence[str],
        progress: ScoringProgress | None = None,
        *,
        outputs: bool = False,
    ) -> SplitResult:
        data = split_of(self.dataset, split)
        for key in metrics:
            if METRICS[key].by_position:
                raise UserError(
                    f"Metric {key!r} must be of a model that does not adapt: its windows begin with a state "
                    f"of zero. Got {self._words}."
                )
        dense = outputs or any(METRICS[key].reads == "outputs" for key in metrics)
        items = ItemCollector(None)
        pieces = self._scoring.pieces(self._config, data, outputs=dense, progress=progress)
        unit, labels = self.task.unit, self.task.labels
        try:
            with self._scoring.adapting():
                records = tally(pieces, unit=unit, labels=labels, split=split, metrics=metrics, items=items)
        except DivergedError as error:
            if self._config.dynamic is None:
                raise
            raise DivergedError(f"{error} Nearest: a lower dynamic.learning_rate.") from None
        return SplitResult(records, items.scores())

    @override
    def token_scores(
        self, split: str, *, outputs: bool, progress: ScoringProgress | None = None
    ) -> Iterator[Scored]:
        data = split_of(self.dataset, split)
        with self._scoring.adapting():
            for _, scored in self._scoring.pieces(self._config, data, outputs=outputs, progress=progress):
                yield scored

    @property
    @override
    def has_positions(self) -> bool:
        return False

    @override
    def context(self, split: str) -> str:
        batches = self._scoring.batches(self._config, split_of(self.dataset, split))
        return f"{batches.context}; {self._words}"

    @override
    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        raise UserError("A diagnosis must be of the weights of a run. Got an adapted model.")

    @override
    def adapted(
        self, config: AdaptationConfig, *, tune: bool, progress: ScoringProgress | None = None
    ) -> Fitted:
        raise no_adaptation("a model that adapts already", "the run itself")
