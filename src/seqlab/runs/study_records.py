"""What a study's folder says of the study: its settings, its runs, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.schema.json_shapes import EXACT, Positive
from seqlab.schema.settings import format_setting

Chosen = Literal["winner", "best-of-each"]
"""Which settings are scored on the test split."""
FitOn = Literal["train", "train+valid"]
"""Splits that a scored model is trained on."""


@with_config(EXACT)
class StudyRecord(TypedDict):
    """A study as it was begun. version: seqlab's. study: its settings. recipes: those it extends, by name.

    code: SHA-256 of the content of own code, by `FILE.py:NAME`; left out where there is none.
    """

    format: int
    version: str
    study: dict[str, Any]
    recipes: dict[str, Any]
    code: NotRequired[dict[str, str]]


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a study.

    number: from 1, in the order of the trials. architecture: what is compared. setting: values of the other
    axes, without the seed. epochs: the values of an axis of epochs that this run covers; () where there is no
    such axis. run: reference to its folder, see `run_folder.resolve`. config: all its settings.
    """

    number: Positive
    architecture: str
    setting: Mapping[str, Any]
    seed: int
    epochs: tuple[Positive, ...]
    run: str
    config: Mapping[str, Any]
    baseline: bool

    @property
    def label(self) -> str:
        """The run in a few words.

        >>> Trial(number=1, architecture="lstm", setting={"training.optimizer.learning_rate": 0.1},
        ...       seed=2, epochs=(1, 3), run="", config={}, baseline=False).label
        'lstm learning_rate=0.1, seed 2'
        """
        settings = self.setting.items()
        setting = " ".join(f"{key.rpartition('.')[2]}={format_setting(value)}" for key, value in settings)
        return f"{self.architecture}{' ' if setting else ''}{setting}, seed {self.seed}"


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class Event:
    """The state in which a run ended. diverged: its loss became too large, or not finite.

    pruned: stopped early because others were better at that time.
    """

    trial: Positive
    state: Literal["finished", "failed", "diverged", "pruned"]
    reason: str


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class EvaluationOnTest:
    """One evaluation of a study on the test split.

    number: 1 for the first, one more for each that scored other runs. of: which settings were chosen. fit_on:
    the splits they were trained on. runs: names of the folders. architectures: of each run; empty in an
    evaluation of an earlier version.
    """

    number: Positive
    split: Literal["test"]
    of: Chosen
    fit_on: FitOn
    runs: tuple[str, ...]
    architectures: tuple[str, ...] = ()
