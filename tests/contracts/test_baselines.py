"""What every baseline of the table must keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from scipy.stats import norm

from seqlab.baselines import labels, n_gram
from seqlab.baselines import oracle_baseline as truth
from seqlab.baselines.baseline import Arrays, Baseline, FitContext
from seqlab.baselines.baseline_configs import BaselineConfig
from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.cache import encode
from seqlab.data.dataset import Split
from seqlab.data.dataset_config import DatasetConfig
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
"""Of each baseline another value for every setting."""


def data(kind: str, place: Path) -> DatasetConfig:
    """Data that a baseline can be fitted on; running text for n-grams, besides sequences elsewhere."""
    if kind in ("majority", "nb-svm"):
        return tiny.ReviewsConfig()
    if kind == "mean":
        return AddingConfig(length=3, train=40, valid=30, test=10)
    if kind == "n-gram":
        path = place / "book.txt"
        path.write_text("the rain in spain\nstays mainly in the plain\n" * 30, encoding="utf-8")
        return TextConfig(path=(str(path),))
    return BracketsConfig(train=40, valid=30, test=10, max_length=30)


class Tried:
    """A baseline fitted on small data."""

    def __init__(self, kind: str, place: Path, **settings: Any):
        config = data(kind, place)
        found = encode(config)
        self.ground = FitContext(config, found.tokenizer, found.labels)
        self.train, self.valid = found.splits["train"], found.splits["valid"]
        self.config: BaselineConfig = parse(BASELINES[kind], {"kind": kind, **settings})
        self.fitted = self.config.fit(self.ground, self.train)


@pytest.fixture(params=list(BASELINES))
def tried(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tried:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    return Tried(request.param, tmp_path)


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


def test_the_same_data_gives_the_same_bits(tried: Tried) -> None:
    again = tried.config.fit(tried.ground, tried.train).arrays()
    assert set(again) == set(tried.fitted.arrays())
    assert all((array == again[name]).all() for name, array in tried.fitted.arrays().items())


def test_restored_from_its_arrays_it_gives_the_same_bits(tried: Tried) -> None:
    arrays: Arrays = {name: array.copy() for name, array in tried.fitted.arrays().items()}
    restored = tried.config.restore(tried.ground, arrays)
    assert restored.parameters() == tried.fitted.parameters()
    assert same(columns(tried.fitted, tried.valid), columns(restored, tried.valid))


@pytest.mark.parametrize("size", [1, 7])
def test_pieces_change_nothing(tried: Tried, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = columns(tried.fitted, tried.valid)
    monkeypatch.setattr(labels, "TEXTS_AT_ONCE", size)
    monkeypatch.setattr(truth, "TEXTS_AT_ONCE", size)
    monkeypatch.setattr(n_gram, "PLACES_AT_ONCE", size)
    monkeypatch.setattr(n_gram, "CHANCES_AT_ONCE", size)
    assert len(list(tried.fitted.score(tried.valid, dense=True))) > 1 or tried.config.kind == "mean"
    assert same(whole, columns(tried.fitted, tried.valid))
    assert (columns(tried.fitted, tried.valid, dense=False)["nats"] == whole["nats"]).all()


def test_every_target_once_with_the_nats_of_its_probability(tried: Tried) -> None:
    found = columns(tried.fitted, tried.valid)
    probabilities, targets = found["outputs"], found["targets"]
    if tried.config.task == "regress":
        assert found["nats"] == pytest.approx(-norm.logpdf(targets, loc=probabilities[:, 0]), rel=1e-12)
        assert targets.tolist() == np.asarray(tried.valid.numbers).tolist()
        return
    assert (found["nats"] == -probabilities[np.arange(len(targets)), targets]).all()
    assert np.exp(probabilities).sum(axis=1) == pytest.approx(np.ones(len(targets)), rel=1e-12)
    if tried.fitted.causal:
        ends = 0 if tried.ground.tokenizer.vocabulary.end is None else len(tried.valid)
        assert len(targets) == len(tried.valid.tokens) + ends
    else:
        assert targets.tolist() == np.asarray(tried.valid.labels).tolist()


def test_answers_are_what_is_scored(tried: Tried) -> None:
    found = columns(tried.fitted, tried.valid)["outputs"]
    if not tried.fitted.causal:
        assert (tried.fitted.answer(tried.valid) == found).all()
        return
    first = tried.valid.tokens[: tried.valid.offsets[1]].tolist()
    text = [tried.ground.tokenizer.vocabulary.start, *first]
    lengths = range(1, len(first) + 1)
    rows = np.array([token for length in lengths for token in text[:length]], np.int32)
    answers = tried.fitted.answer(Split(rows, np.cumsum([0, *lengths])))
    assert (answers == found[: len(first)]).all()


def test_what_training_never_had_costs_finite_nats(tried: Tried) -> None:
    if tried.config.kind == "oracle":
        pytest.skip("what the language does not have has probability 0")
    everything = np.arange(len(tried.ground.tokenizer.vocabulary), dtype=np.int32)
    offsets, classes = np.array([0, len(everything), len(everything)]), np.array([0, 1])
    whole = Split(everything, offsets if tried.ground.labels else offsets[:2], classes, numbers=np.ones(1))
    assert np.isfinite(columns(tried.fitted, whole)["outputs"]).all()


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, settings in OTHER.items() for key in settings]
)
def test_every_setting_acts(kind: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    one, other = (Tried(kind, tmp_path, **more) for more in ({}, {key: OTHER[kind][key]}))
    assert not same(columns(one.fitted, one.valid), columns(other.fitted, other.valid))
