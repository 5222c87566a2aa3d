"""Tiny experiments for tests that train within the test's own process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import pytest

from seqlab.data.data_kinds import DATASETS, TOKENIZERS
from seqlab.data.dataset import About, Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.words import WordsConfig
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Scalar, Text
from seqlab.schema.registry import ByKind
from seqlab.training import run
from seqlab.training.callback import Counted
from seqlab.training.progress import Progress

BRACKETS = [
    "brackets-lstm",
    "data.train=60",
    "data.valid=20",
    "data.test=20",
    "data.max_length=20",
    "batching.tokens=60",
    "model.embedding_size=4",
    "model.hidden_size=4",
    "model.init_range=0.1",
    "training.epochs=2",
    "training.schedule.kind=constant",
    "training.optimizer.learning_rate=0.01",
    "training.record_every=1",
    "training.tensorboard=false",
    "samples.count=2",
    "samples.max_tokens=8",
    "samples.checked=20",
    "samples.checked_at_end=50",
]
REVIEWS = [
    "imdb-linear",
    "data.kind=reviews",
    "model.embedding_size=8",
    "model.linear_size=8",
    "model.embedding_std=1",
    "model.dropout=0",
    "batching.batch_size=5",
    "training.schedule.kind=constant",
    "training.optimizer.learning_rate=0.05",
    "training.epochs=12",
    "training.patience=none",
    "training.record_every=1",
    "training.tensorboard=false",
    "samples.count=2",
]


class ReviewsConfig(DatasetConfig):
    """Eight reviews of two kinds, which differ in one word."""

    kind: Literal["reviews"] = "reviews"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WordsConfig()
    """How texts become tokens."""
    edition: int = 1
    """Another edition has other content."""

    def about(self) -> About:
        return About("Reviews for tests.", "written by hand", "none needed")

    def content_hash(self) -> str:
        return hashlib.sha256(str(self.edition).encode()).hexdigest()

    def read(self) -> Corpus:
        texts = [
            f"a {word} film {end}" for word in ("good", "bad") for end in ("", "really", "to see", "it is")
        ]
        labels = [index // 4 for index in range(8)]
        splits = ("train", "valid", "test")
        return Corpus(dict.fromkeys(splits, texts), dict.fromkeys(splits, labels), ("positive", "negative"))


def register(patch: pytest.MonkeyPatch) -> None:
    """Make `reviews` a dataset for as long as the patch holds."""
    place = ("tiny:ReviewsConfig", "eight reviews")
    patch.setitem(cast("dict[str, tuple[str, str]]", DATASETS.table), "reviews", place)


class Nobody:
    """A callback that keeps what it hears; `at_step` is called after each step."""

    def __init__(self, at_step: Callable[[Progress], None] | None = None):
        self.messages: list[str] = []
        self.losses: list[float] = []
        self.sampled_texts: list[tuple[list[Text], Counted | None]] = []
        self._at_step = at_step

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        self.losses.append(loss)
        if self._at_step is not None:
            self._at_step(progress)

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        return False

    def sampled(self, samples: Sequence[Text], valid: Counted | None) -> None:
        self.sampled_texts.append((list(samples), valid))

    def scored(self, done: int, total: int) -> None:
        assert 0 < done <= total

    def message(self, text: str) -> None:
        self.messages.append(text)


def stop_at(step: int) -> Callable[[Progress], None]:
    """Ends the process's work there as a kill would: nothing is saved."""

    def at_step(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return at_step


def configure(recipe: list[str], *overrides: str) -> ExperimentConfig:
    """The configuration of a recipe above with further overrides."""
    return recipes.network(recipe[0], [*recipe[1:], *overrides])


def fit(recipe: list[str], *overrides: str, callback: Nobody | None = None) -> RunFolder:
    """Train to the end; returns the run."""
    summary = run.train(configure(recipe, *overrides), callback=callback or Nobody())
    return run_folder.open_run(Path(summary["run"]))


def broken_off(recipe: list[str], *overrides: str, step: int) -> RunFolder:
    """A run that stopped at a step without saving."""
    config = configure(recipe, *overrides)
    before = set(run_folder.names())
    with pytest.raises(KeyboardInterrupt):
        run.train(config, callback=Nobody(stop_at(step)))
    (name,) = set(run_folder.names()) - before
    return run_folder.find(name)


def records(run: RunFolder, name: str, split: str = "train") -> list[tuple[int, float]]:
    """Steps and values of one scalar."""
    found = [(record, moment.step) for record, moment in run.records() if isinstance(record, Scalar)]
    return [(step, r.value) for r, step in found if (r.name, r.split) == (name, split)]


def samples(run: RunFolder) -> list[Text]:
    """What was written while training."""
    return [text for text, _ in run.samples()]


def summary(run: RunFolder) -> dict[str, Any]:
    """Results of a finished run."""
    return dict(run.summary())
