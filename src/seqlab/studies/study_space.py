"""The search space of a designed study: makes its runs, within the study's budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from typing_extensions import override

from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.runs.study_records import Trial
from seqlab.schema.config import plain
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.axes import EPOCHS, combinations
from seqlab.studies.axis import Axis
from seqlab.studies.budgets import Adjust
from seqlab.studies.design import Design
from seqlab.studies.search_space import SearchSpace
from seqlab.training.run import run_reference


class StudySpace(SearchSpace):
    """The search space of a design, with the adjustment that keeps its runs within the study's budget.

    Args:
        design: of the study.
        adjust: see `adjustment`.
        reference: of an experiment's run.
    """

    def __init__(
        self,
        design: Design,
        adjust: Adjust,
        reference: Callable[[AnyExperimentConfig], str] = run_reference,
    ):
        self._design, self._adjust, self._reference = design, adjust, reference

    @property
    @override
    def architectures(self) -> Sequence[Mapping[str, Any]]:
        return self._design.architectures

    @property
    @override
    def axes(self) -> Sequence[Axis]:
        return self._design.setting_axes

    @property
    @override
    def seeds(self) -> Sequence[int]:
        return self._design.config.seeds

    @override
    def name(self, architecture: Mapping[str, Any]) -> str:
        return self._design.name_of(architecture)

    @override
    def monitor(self, architecture: Mapping[str, Any]) -> MetricSpec:
        return self._design.example(architecture).task.monitor_spec

    @override
    def shares_epochs(self, architecture: Mapping[str, Any], setting: Mapping[str, Any]) -> bool:
        experiment = self._design.experiment({**architecture, **setting}, self.seeds[0])
        return not experiment.training.schedule.depends_on_length

    @override
    def baselines(self) -> list[Trial]:
        """Each baseline once for each dataset that the other runs are trained on."""
        axes = [axis for axis in self.axes if axis.key.split(".")[0] == "data"]
        runs = [(name, setting) for name in self._design.config.baselines for setting in combinations(axes)]
        return [self._baseline(number, name, setting) for number, (name, setting) in enumerate(runs, start=1)]

    @override
    def trial(
        self,
        architecture: Mapping[str, Any],
        setting: Mapping[str, Any],
        *,
        number: int,
        seed: int,
        epochs: Sequence[int] = (),
    ) -> Trial:
        # `setting` stays without the epochs: each of them is a cell of the run.
        whole = {**architecture, **setting}
        if epochs:
            whole[EPOCHS] = max(epochs)
        config = self._adjust(self._design.experiment(whole, seed))
        return Trial(
            number=number,
            architecture=self.name(architecture),
            setting=self._design.setting_of(architecture) | dict(setting),
            seed=seed,
            epochs=tuple(epochs),
            run=self._reference(config),
            config=plain(config),
            baseline=False,
        )

    def _baseline(self, number: int, name: str, setting: Mapping[str, Any]) -> Trial:
        config = self._design.baseline(name, setting)
        return Trial(
            number=number,
            architecture=name,
            setting=dict(setting),
            seed=self.seeds[0],
            epochs=(),
            run=self._reference(config),
            config=plain(config),
            baseline=True,
        )
