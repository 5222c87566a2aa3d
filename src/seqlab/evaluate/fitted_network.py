"""A trained network: its best checkpoint, scored and diagnosed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from typing_extensions import override

from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate import diagnose
from seqlab.evaluate.adaptation import Adaptation, AdaptationConfig, no_adaptation
from seqlab.evaluate.adaptation_search import tuned
from seqlab.evaluate.adapted_network import AdaptedNetwork
from seqlab.evaluate.adaptive_scoring import AdaptiveScoring
from seqlab.evaluate.fitted import Fitted, Loader, ScoringProgress, split_of
from seqlab.evaluate.scoring import score_exactly
from seqlab.evaluate.weights import load_best
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.measure.diagnosis import Diagnosis
from seqlab.measure.evaluate import score_batches
from seqlab.measure.item_collector import SplitResult
from seqlab.measure.metric import Scored
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.models.modes import evaluating
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Moment


class FittedNetwork(Fitted):
    """The network of an experiment with the weights it has now; see `Fitted`."""

    def __init__(self, experiment: NetworkExperiment, moment: Moment):
        self.config, self.dataset, self.task = experiment.config, experiment.dataset, experiment.task
        self.seed, self.moment, self._experiment = experiment.config.seed, moment, experiment
        training = experiment.config.training
        self.budget = {key: getattr(training, key) for key in ("epochs", "max_steps", "result")}

    @override
    def score(
        self,
        split: str,
        metrics: Sequence[str],
        progress: ScoringProgress | None = None,
        *,
        outputs: bool = False,
    ) -> SplitResult:
        return score_exactly(self._experiment, split, metrics, progress=progress, outputs=outputs)

    @override
    def token_scores(
        self, split: str, *, outputs: bool, progress: ScoringProgress | None = None
    ) -> Iterator[Scored]:
        model, data = self._experiment.model, split_of(self.dataset, split)
        batches = self._experiment.scoring_batches(data, streams=1)
        with evaluating(model):
            for _, scored in score_batches(model, self.task, batches, outputs=outputs, progress=progress):
                yield scored

    @property
    @override
    def has_positions(self) -> bool:
        return True

    @override
    def context(self, split: str) -> str:
        return self._experiment.scoring_batches(split_of(self.dataset, split), streams=1).context

    @override
    def diagnose(self, kinds: Sequence[str], split: str, rows: int | None) -> dict[str, Diagnosis]:
        return diagnose.diagnose(self._experiment, kinds, split, rows)

    @override
    def adapted(
        self, config: AdaptationConfig, *, tune: bool, progress: ScoringProgress | None = None
    ) -> Fitted:
        if self.task.output != "text" or not self.dataset.running:
            found = "separate texts" if self.task.output == "text" else f"the task {self.config.task.kind!r}"
            raise no_adaptation(found, "an evaluation without them")
        scoring = AdaptiveScoring(self._experiment)
        found = tuned(scoring, config, self.dataset, progress) if tune else Adaptation(config)
        return AdaptedNetwork(self._experiment, self.moment, self.budget, scoring, found)


class NetworkLoader(Loader):
    """See `Loader`."""

    def __init__(self, config: ExperimentConfig):
        self._config = config

    @override
    def fitted(self, run: RunFolder, dataset: Dataset, device: torch.device) -> FittedNetwork:
        experiment = NetworkExperiment(self._config, dataset, device)
        counters = load_best(run, experiment.model)
        moment = Moment(step=counters["step"], epoch=float(counters["epoch"]), tokens=counters["tokens"])
        return FittedNetwork(experiment, moment)

    @override
    def model(
        self,
        run: RunFolder,
        spec: InputSpec,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
    ) -> tuple[SequenceModel, int]:
        model = self._config.model.build(spec, torch.Generator())
        counters = load_best(run, model)
        return model.eval(), counters["step"]
