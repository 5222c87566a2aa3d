"""NB-SVM against scikit-learn's own vectorizer and solver, and against the paper's numbers by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from seqlab.baselines import features, nb_svm
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged, ragged
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.experiment import recipes
from seqlab.experiment.experiment import build
from seqlab.schema.errors import UserError, WorkError


def corpus(seed: int, size: int, classes: int) -> tuple[list[str], np.ndarray]:
    """Texts of blank-separated words, some of which are likelier with one label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, size)
    texts = []
    for label in labels:
        words = random.integers(0, 40, random.integers(3, 20))
        shifted = np.where(random.random(len(words)) < 0.25, 40 + 3 * label + words % 3, words)
        texts.append(" ".join(f"w{word}" for word in shifted))
    return texts, labels


def encoded(texts: list[str], labels: np.ndarray, tokenizer) -> Split:
    found = tokenizer.encode_batch(texts)
    return Split(Ragged(found.tokens, found.offsets), targets=labels)


def reference(train, labels, texts, length: int, C: float) -> np.ndarray:
    """Log odds of label True, by scikit-learn alone, solved in the primal to far more digits."""
    # scikit-learn is not typed: None is what it wants beside a tokenizer.
    wanted: dict[str, Any] = {"tokenizer": str.split, "token_pattern": None, "lowercase": False}
    words: Any = CountVectorizer(binary=True, ngram_range=(1, length), **wanted)
    found = words.fit_transform(train).toarray().astype(float)
    p, q = 1 + found[labels].sum(axis=0), 1 + found[~labels].sum(axis=0)
    r = np.log((p / p.sum()) / (q / q.sum()))
    model = LogisticRegression(C=C, solver="liblinear", tol=1e-10, max_iter=10_000).fit(found * r, labels)
    return model.decision_function(words.transform(texts).toarray() * r)


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@pytest.mark.parametrize("classes", [2, 3])
def test_equals_scikit_learn(classes: int, length: int) -> None:
    (train, labels), (texts, actual) = corpus(0, 300, classes), corpus(1, 100, classes)
    texts = [*texts, "never seen", "w1 never w2"]
    tokenizer = WhitespaceConfig().train(train)
    sizes = {"vocabulary": len(tokenizer.vocabulary), "classes": classes}
    fitted = nb_svm.fit(encoded(train, labels, tokenizer), **sizes, length=length, alpha=1.0, C=0.5)
    found = fitted.predict(encoded(texts, np.append(actual, [0, 0]), tokenizer).text)
    against = [1] if classes == 2 else range(classes)
    odds = np.stack([reference(train, labels == k, texts, length, 0.5) for k in against], axis=1)
    yes = 1 / (1 + np.exp(-odds))
    expected = np.hstack([1 - yes, yes]) if classes == 2 else yes / yes.sum(axis=1, keepdims=True)
    assert np.exp(found) == pytest.approx(expected, abs=2e-4)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.mean(found.argmax(axis=1)[:100] == actual) > 0.7, "there is something to learn"


def test_ratios_by_hand() -> None:
    """`a a b` is positive, `b` is not: p = (2, 2) / 4, q = (1, 2) / 3."""
    found = features.transform(ragged([[0, 0, 1], [1]]), np.array([0, 1]), 2, 1)
    ratios = nb_svm.log_ratios(found, np.array([True, False]), 1.0)
    assert ratios == pytest.approx([np.log(0.5 / (1 / 3)), np.log(0.5 / (2 / 3))])


def test_pairs_do_not_cross_texts() -> None:
    rows, keys = features.occurrences(ragged([[2, 1], [], [0, 0]]), 3, 2)
    pairs = {(row, divmod(key - 3, 3)) for row, key in zip(rows, keys, strict=True) if key >= 3}
    assert pairs == {(0, (2, 1)), (2, (0, 0))}


@pytest.mark.parametrize("odds", [[[800.0]], [[-800.0, 800.0, 0.0]], [[-1e4, -1e4, -1e4]]])
def test_extreme_odds_stay_finite(odds: list[list[float]]) -> None:
    found = nb_svm.log_probabilities(np.array(odds))
    assert np.isfinite(found).all()
    assert np.exp(found).sum() == pytest.approx(1)


def test_a_label_without_training_texts_is_refused(tmp_path, monkeypatch) -> None:
    """Six examples of a digit that is one of ten cannot have every label."""
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    words = ["baseline.kind=nb-svm", "data.train=6", "data.valid=4", "data.test=4"]
    config, _ = recipes.configure("marked-addition-majority", words)
    with pytest.raises(UserError, match=r"must have a training text of each label\. Got none of '\d+'"):
        build(config, config.dataset(), torch.device("cpu"), None)


def test_reports_a_solver_that_does_not_converge(monkeypatch) -> None:
    monkeypatch.setattr(nb_svm, "MAX_ITERATIONS", 2)
    texts, labels = corpus(0, 100, 2)
    tokenizer = WhitespaceConfig().train(texts)
    train, size = encoded(texts, labels, tokenizer), len(tokenizer.vocabulary)
    with pytest.raises(
        WorkError, match=r"'baseline\.C' must let the solver converge within 2 passes\. Got 1e\+06"
    ):
        nb_svm.fit(train, vocabulary=size, classes=2, length=2, alpha=1.0, C=1e6)


def test_features_beyond_numbers_of_64_bits_are_refused() -> None:
    nb_svm._check_length(3, 100_000)
    with pytest.raises(
        UserError, match=r"'baseline.length' must be at most 3 for 100,000 tokens.* Got 4. Nearest: 3"
    ):
        nb_svm._check_length(4, 100_000)
