"""NB-SVM: naive Bayes features in a linear classifier. Legend: N texts, K labels, F features.

Wang and Manning 2012, "Baselines and bigrams". f (F,) says which tokens and pairs a text holds, once
each. For a label against all others, summed over its texts and over the others,

    p = alpha + sum f,    q = alpha + sum f of the others,    r = ln((p / ||p||_1) / (q / ||q||_1)),

and logistic regression with half the squared norm of w as its penalty is fitted on r * f, so the log odds
of the label are (w * r) f + b. Two labels need one such classifier; of more, each one's probability against
the others is divided by the sum of all. The paper's interpolation of w with its mean, beta = 1/4, is left
out (beta = 1): with logistic regression it took accuracy on IMDb's validation split.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.baselines import features
from seqlab.baselines.baseline import Arrays, Baseline, Floats, TargetScores
from seqlab.baselines.labels import scored
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.schema.errors import WorkError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_ITERATIONS = 1000
"""Passes over the texts that the solver may take; a few dozen are enough where C is not extreme."""
TOLERANCE = 1e-4
"""Largest step of the solver's last pass."""


class NbSvm(Baseline):
    """The fitted classifiers, their weights multiplied out: log odds are `weights f + intercepts`."""

    causal: ClassVar[bool] = False

    def __init__(self, arrays: Arrays, *, vocabulary: int, length: int):
        """Restore from `keys` (F,), `weights` (K or 1, F) and `intercepts` (K or 1,)."""
        self._arrays, self._vocabulary, self._length = arrays, vocabulary, length

    @override
    def arrays(self) -> Arrays:
        return self._arrays

    def parameters(self) -> dict[str, int]:
        """Weights and intercepts of every classifier."""
        return {name: self._arrays[name].size for name in ("weights", "intercepts")}

    @override
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        return scored(split, self.answer)

    @override
    def answer(self, rows: Ragged) -> Floats:
        found = features.known(rows, self._arrays["keys"], self._vocabulary, self._length)
        return log_probabilities(found @ self._arrays["weights"].T + self._arrays["intercepts"])


def fit(train: Split, *, vocabulary: int, classes: int, length: int, alpha: float, C: float) -> NbSvm:
    """Fit one classifier, of the second label, where there are two, else one a label.

    Raises:
        WorkError: the solver did not come to its end.
    """
    assert train.targets is not None, "checked when the task was built"
    keys, found = features.learned(train.text, vocabulary, length)
    labels = [1] if classes == 2 else range(classes)
    fitted = [_against_others(found, train.targets == label, alpha, C) for label in labels]
    arrays = {
        "keys": keys,
        "weights": np.stack([weights for weights, _ in fitted]),
        "intercepts": np.array([intercept for _, intercept in fitted]),
    }
    return NbSvm(arrays, vocabulary=vocabulary, length=length)


def log_ratios(found: csr_array, positive: NDArray[np.bool_], alpha: float) -> Floats:
    """R (F,) of the texts that are positive against the others."""
    p, q = (alpha + np.asarray(found[rows].sum(axis=0)).ravel() for rows in (positive, ~positive))
    return np.log(p / p.sum()) - np.log(q / q.sum())


def _against_others(
    found: csr_array, positive: NDArray[np.bool_], alpha: float, C: float
) -> tuple[Floats, float]:
    """Weights (F,) and intercept of one label's classifier.

    By liblinear's coordinate descent on the dual (Yu, Huang and Lin 2011), which has one variable a text
    where the primal has one a feature; the intercept counts as one more weight in the penalty.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    ratios = log_ratios(found, positive, alpha)
    weighed = found.copy()
    weighed.data = ratios[found.indices]
    # The order in which texts are visited is drawn, always the same; the optimum does not depend on it.
    model = LogisticRegression(
        C=C, solver="liblinear", dual=True, tol=TOLERANCE, max_iter=MOST_ITERATIONS, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(weighed, positive)
        except ConvergenceWarning:
            raise WorkError(
                f"'baseline.C' must let the solver come to its end within {MOST_ITERATIONS:,} passes. "
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
