"""Contracts of every registered baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from scipy.stats import norm

from seqlab.baselines import labels, n_gram, oracle_baseline
from seqlab.baselines.baseline import Arrays, Baseline, BaselineConfig, FitContext
from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.dataset import Split
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.encode import encode
from seqlab.data.ragged import Ragged, ragged
from seqlab.data.sources.adding import AddingConfig
from seqlab.data.sources.brackets import BracketsConfig
from seqlab.data.sources.text import TextConfig
from seqlab.schema.config import parse

OTHER: dict[str, dict[str, Any]] = {
    "majority": {},
    "mean": {},
    "nb-svm": {"length": 1, "alpha": 0.3, "C": 5.0},
    "n-gram": {"order": 2},
    "oracle": {},
}
"""For each baseline another value of every setting."""


def data(kind: str, folder: Path) -> DatasetConfig:
    """Data that a baseline can be fitted on: running text for n-grams, separate sequences for the others."""
    if kind in ("majority", "nb-svm"):
        return tiny.ReviewsConfig()
    if kind == "mean":
        return AddingConfig(length=3, train=40, valid=30, test=10)
    if kind == "n-gram":
        path = folder / "book.txt"
        path.write_text("the rain in spain\nstays mainly in the plain\n" * 30, encoding="utf-8")
        return TextConfig(path=(str(path),))
    return BracketsConfig(train=40, valid=30, test=10, max_length=30)


class FittedBaseline:
    """A baseline fitted on small data."""

    def __init__(self, kind: str, folder: Path, **settings: Any):
        config = data(kind, folder)
        dataset = encode(config)
        self.context = FitContext(config, dataset.tokenizer, dataset.labels)
        self.train, self.valid = dataset.splits["train"], dataset.splits["valid"]
        self.config: BaselineConfig = parse(BASELINES[kind], {"kind": kind, **settings})
        self.baseline = self.config.fit(self.context, self.train)


@pytest.fixture(params=list(BASELINES))
def fitted(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FittedBaseline:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    return FittedBaseline(request.param, tmp_path)


def columns(baseline: Baseline, split: Split, *, dense: bool = True) -> dict[str, np.ndarray]:
    """All scores of a split, in one piece."""
    pieces = list(baseline.score(split, dense=dense))
    names = ["nats", "targets", "positions", *(["outputs"] if dense else [])]
    return {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all((one[name] == other[name]).all() for name in one)


def test_every_baseline_has_its_settings() -> None:
    assert set(OTHER) == set(BASELINES)
    for kind, settings in OTHER.items():
        assert set(BASELINES[kind].model_fields) == {"kind", *settings}


def test_fitting_again_gives_the_same_bits(fitted: FittedBaseline) -> None:
    again = fitted.config.fit(fitted.context, fitted.train).arrays()
    assert set(again) == set(fitted.baseline.arrays())
    assert all((array == again[name]).all() for name, array in fitted.baseline.arrays().items())


def test_restored_from_its_arrays_gives_the_same_bits(fitted: FittedBaseline) -> None:
    arrays: Arrays = {name: array.copy() for name, array in fitted.baseline.arrays().items()}
    restored = fitted.config.restore(fitted.context, arrays)
    assert restored.parameters() == fitted.baseline.parameters()
    assert same(columns(fitted.baseline, fitted.valid), columns(restored, fitted.valid))


@pytest.mark.parametrize("size", [1, 7])
def test_piece_size_changes_no_score(
    fitted: FittedBaseline, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = columns(fitted.baseline, fitted.valid)
    monkeypatch.setattr(labels, "TEXTS_AT_ONCE", size)
    monkeypatch.setattr(oracle_baseline, "TEXTS_AT_ONCE", size)
    monkeypatch.setattr(n_gram, "POSITIONS_AT_ONCE", size)
    monkeypatch.setattr(n_gram, "PROBABILITIES_AT_ONCE", size)
    assert len(list(fitted.baseline.score(fitted.valid, dense=True))) > 1 or fitted.config.kind == "mean"
    assert same(whole, columns(fitted.baseline, fitted.valid))
    assert (columns(fitted.baseline, fitted.valid, dense=False)["nats"] == whole["nats"]).all()


def test_every_target_once_with_the_nats_of_its_probability(fitted: FittedBaseline) -> None:
    found = columns(fitted.baseline, fitted.valid)
    probabilities, targets = found["outputs"], found["targets"]
    if fitted.config.task == "regress":
        assert found["nats"] == pytest.approx(-norm.logpdf(targets, loc=probabilities[:, 0]), rel=1e-12)
        assert targets.tolist() == np.asarray(fitted.valid.targets).tolist()
        return
    assert (found["nats"] == -probabilities[np.arange(len(targets)), targets]).all()
    assert np.exp(probabilities).sum(axis=1) == pytest.approx(np.ones(len(targets)), rel=1e-12)
    if fitted.baseline.causal:
        ends = 0 if fitted.context.tokenizer.vocabulary.end is None else len(fitted.valid)
        assert len(targets) == len(fitted.valid.text.tokens) + ends
    else:
        assert targets.tolist() == np.asarray(fitted.valid.targets).tolist()


def test_predictions_are_the_scored_outputs(fitted: FittedBaseline) -> None:
    found = columns(fitted.baseline, fitted.valid)["outputs"]
    if not fitted.baseline.causal:
        assert (fitted.baseline.predict(fitted.valid.text) == found).all()
        return
    first = fitted.valid.text[0].tolist()
    text = [fitted.context.tokenizer.vocabulary.start, *first]
    prefixes = [text[:length] for length in range(1, len(first) + 1)]
    predicted = fitted.baseline.predict(ragged(prefixes))
    assert (predicted == found[: len(first)]).all()


def test_unseen_tokens_cost_finite_nats(fitted: FittedBaseline) -> None:
    if fitted.config.kind == "oracle":
        pytest.skip("tokens outside the language have probability 0")
    everything = np.arange(len(fitted.context.tokenizer.vocabulary), dtype=np.int32)
    # Of labelled texts there is one of each class, the second one empty.
    classes = len(fitted.context.labels)
    offsets = np.array([0, *[len(everything)] * max(1, classes)])
    whole = Split(Ragged(everything, offsets), targets=np.arange(classes) if classes else np.ones(1))
    assert np.isfinite(columns(fitted.baseline, whole)["outputs"]).all()


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, settings in OTHER.items() for key in settings]
)
def test_every_setting_acts(kind: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    one, other = (FittedBaseline(kind, tmp_path, **more) for more in ({}, {key: OTHER[kind][key]}))
    assert not same(columns(one.baseline, one.valid), columns(other.baseline, other.valid))
