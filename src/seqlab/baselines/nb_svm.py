"""NB-SVM: naive Bayes features in a linear classifier. Legend: N texts, K labels, F features.

Wang and Manning 2012, "Baselines and bigrams". f (F,) is 1 for each token, and each sequence of neighbouring
tokens up to a length, that occurs in a text, else 0. For a label against all others, summed over its texts
and over the others,

    p = alpha + sum f,    q = alpha + sum f of the others,    r = ln((p / ||p||_1) / (q / ||q||_1)),

and logistic regression with half the squared norm of w as its penalty is fitted on r * f, so the log odds
of the label are (w * r) f + b. Two labels need one such classifier; with more, each one's probability against
the others is divided by the sum of all. The paper's interpolation of w with its mean, beta = 1/4, is left
out (beta = 1): with logistic regression it lowered the accuracy on IMDb's validation split.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from seqlab.baselines import features
from seqlab.baselines.baseline import (
    Arrays,
    Baseline,
    BaselineConfig,
    FitContext,
    Floats,
    Integers,
    TargetScores,
)
from seqlab.baselines.labels import score_labels
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.models.token_effects import LOG_ODDS, TokenEffects
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.extras import require

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MAX_ITERATIONS = 1000
"""Passes over the texts that the solver may take; a few dozen are enough where C is not extreme."""
TOLERANCE = 1e-4
"""Largest step of the solver's last pass."""
_OWN_ODDS = (
    "the log odds of the label by its own classifier against all others, before the probabilities of all "
    "labels are divided by their sum"
)


class NbSvmConfig(BaselineConfig):
    """Words and neighbouring words of a text, weighted by naive Bayes, in a linear classifier.

    Wang and Manning 2012, with logistic regression in place of the support-vector machine, so that
    predictions are probabilities; see `seqlab.baselines.nb_svm` for the equations.
    """

    kind: Literal["nb-svm"] = "nb-svm"
    """Name of the baseline."""
    task: ClassVar[str] = "classify"
    length: int = Field(default=2, ge=1, le=5)
    """Tokens of the longest feature: 1 uses single tokens, 2 neighbouring pairs, too, 3 also triples."""
    alpha: float = Field(default=1.0, gt=0.0)
    """Added to the count of each feature in each class before their ratio is taken."""
    C: float = Field(default=1.0, gt=0.0)
    """Weight of the sum of the texts' losses relative to half the squared norm of the weights."""

    @override
    def check(self, context: FitContext, train: Split) -> None:
        _check_labels(context.labels, train)
        _check_length(self.length, len(context.tokenizer.vocabulary))

    @override
    def fit(self, context: FitContext, train: Split) -> Baseline:
        sizes = {"vocabulary": len(context.tokenizer.vocabulary), "classes": len(context.labels)}
        return fit(train, **sizes, length=self.length, alpha=self.alpha, C=self.C)

    @override
    def restore(self, context: FitContext, arrays: Arrays) -> Baseline:
        return NbSvm(arrays, vocabulary=len(context.tokenizer.vocabulary), length=self.length)


class NbSvm(Baseline):
    """The fitted classifiers, their weights multiplied out: log odds are `weights f + intercepts`."""

    causal: ClassVar[bool] = False

    def __init__(self, arrays: Arrays, *, vocabulary: int, length: int):
        """Restore from `keys` (F,), `weights` (K or 1, F) and `intercepts` (K or 1,)."""
        self._arrays, self._vocabulary, self._length = arrays, vocabulary, length

    @override
    def arrays(self) -> Arrays:
        return self._arrays

    @override
    def parameters(self) -> dict[str, int]:
        return {name: self._arrays[name].size for name in ("weights", "intercepts")}

    @override
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        return score_labels(split, self.predict)

    @override
    def predict(self, rows: Ragged) -> Floats:
        matrix = features.transform(rows, self._arrays["keys"], self._vocabulary, self._length)
        return log_probabilities(matrix @ self._arrays["weights"].T + self._arrays["intercepts"])

    @override
    def token_effects(self, tokens: Integers, output: int) -> TokenEffects:
        """The weight of each feature, shared by its occurrences; that of a pair by its two tokens."""
        weights, intercepts = self._arrays["weights"], self._arrays["intercepts"]
        text = Ragged(tokens.astype(np.int32), np.array([0, len(tokens)]))
        _, keys = features.occurrences(text, self._vocabulary, self._length)
        columns, counts = features.fitted_columns(keys, self._arrays["keys"])
        # With two labels there is one classifier, of the second one.
        row, sign = (0, 1.0 if output else -1.0) if len(weights) == 1 else (output, 1.0)
        shares = sign * np.where(counts > 0, weights[row, columns] / np.maximum(counts, 1), 0.0)
        effects = shares[: len(tokens)].copy()
        pairs = shares[len(tokens) :]
        effects[: len(pairs)] += pairs / 2
        effects[1 : len(pairs) + 1] += pairs / 2
        quantity = _OWN_ODDS if len(weights) > 1 else LOG_ODDS
        return TokenEffects(effects, sign * float(intercepts[row]), quantity)


def _check_labels(labels: Sequence[str], train: Split) -> None:
    """Check that there is a text of each label, without which its classifier has nothing to learn from.

    Raises:
        UserError: there is none of some label.
    """
    assert train.targets is not None, "checked when the task was built"
    counts = np.bincount(train.targets, minlength=len(labels))
    missing = [label for label, count in zip(labels, counts, strict=True) if not count]
    if missing:
        raise UserError(
            f"The baseline 'nb-svm' must have a training text of each label. Got none of {missing[0]!r}, "
            f"{len(missing):,} of {len(labels):,} labels in all. Nearest: more training texts, "
            "or baseline.kind='majority'."
        )


def _check_length(length: int, vocabulary: int) -> None:
    """Check that every feature has a number of its own.

    Raises:
        UserError: there are more than there are integers of 64 bits.
    """
    longest = max(n for n in range(1, length + 1) if features.most_keys(vocabulary, n) < 1 << 63)
    if longest < length:
        raise UserError(
            f"'baseline.length' must be at most {longest} for {vocabulary:,} tokens, because each feature "
            f"needs a number of 64 bits. Got {length}. Nearest: {longest}."
        )


def fit(train: Split, *, vocabulary: int, classes: int, length: int, alpha: float, C: float) -> NbSvm:
    """Fit one classifier, of the second label, where there are two labels, else one per label.

    Raises:
        UserError: scikit-learn is not installed.
        WorkError: the solver did not converge.
    """
    assert train.targets is not None, "checked when the task was built"
    require("nb-svm", "The baseline 'nb-svm'")
    keys, matrix = features.fit_transform(train.text, vocabulary, length)
    labels = [1] if classes == 2 else range(classes)
    fitted = [_one_against_rest(matrix, train.targets == label, alpha, C) for label in labels]
    arrays = {
        "keys": keys,
        "weights": np.stack([weights for weights, _ in fitted]),
        "intercepts": np.array([intercept for _, intercept in fitted]),
    }
    return NbSvm(arrays, vocabulary=vocabulary, length=length)


def log_ratios(matrix: csr_array, positive: NDArray[np.bool_], alpha: float) -> Floats:
    """The log ratios r (F,) of the positive texts against the others."""
    p, q = (alpha + np.asarray(matrix[rows].sum(axis=0)).ravel() for rows in (positive, ~positive))
    return np.log(p / p.sum()) - np.log(q / q.sum())


def _one_against_rest(
    matrix: csr_array, positive: NDArray[np.bool_], alpha: float, C: float
) -> tuple[Floats, float]:
    """Weights (F,) and intercept of one label's classifier.

    By liblinear's coordinate descent on the dual (Yu, Huang and Lin 2011), which has one variable per text
    where the primal has one per feature; the intercept counts as one more weight in the penalty.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    ratios = log_ratios(matrix, positive, alpha)
    weighted = matrix.copy()
    weighted.data = ratios[matrix.indices]
    # liblinear visits the texts in a random order; a fixed seed makes the last bits reproducible.
    model = LogisticRegression(
        C=C, solver="liblinear", dual=True, tol=TOLERANCE, max_iter=MAX_ITERATIONS, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(weighted, positive)
        except ConvergenceWarning:
            raise WorkError(
                f"'baseline.C' must let the solver converge within {MAX_ITERATIONS:,} passes. "
                f"Got {C:g}. Try a smaller one."
            ) from None
    return model.coef_[0] * ratios, float(np.ravel(model.intercept_)[0])


def log_probabilities(odds: Floats) -> Floats:
    """Log probabilities (N, K) from log odds (N, K) of each label against the others, (N, 1) of two labels.

    >>> np.exp(log_probabilities(np.log([[3.0]]))).round(9).tolist()
    [[0.25, 0.75]]
    >>> np.exp(log_probabilities(np.log([[3.0, 1.0, 1 / 3]]))).round(9).tolist()
    [[0.5, 0.333333333, 0.166666667]]
    """
    yes = -np.logaddexp(0.0, -odds)
    if odds.shape[1] == 1:
        return np.hstack([-np.logaddexp(0.0, odds), yes])
    return yes - np.logaddexp.reduce(yes, axis=1, keepdims=True)
