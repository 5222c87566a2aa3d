"""Weights of mixtures, compared with direct optimisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from seqlab.evaluate.mixture_weights import fit_shares


def loss(shares: np.ndarray, nats: np.ndarray) -> float:
    return -float(np.log(shares @ np.exp(-nats)).mean())


def models(count: int, targets: int, seed: int) -> np.ndarray:
    """Nats of models that are unlike each other, (M, N)."""
    random = np.random.default_rng(seed)
    return random.exponential(random.uniform(1, 4, (count, 1)), (count, targets))


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_no_other_weights_are_better(count: int, seed: int) -> None:
    nats = models(count, 200, seed)
    found = fit_shares(nats)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0
    by_slsqp = optimize.minimize(
        lambda shares: loss(shares, nats),
        np.full(count, 1 / count),
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    assert loss(found, nats) == pytest.approx(by_slsqp.fun, abs=1e-7)
    assert loss(found, nats) <= by_slsqp.fun + 1e-8


def test_two_models_by_a_grid() -> None:
    nats = models(2, 100, 7)
    grid = [loss(np.array([share, 1 - share]), nats) for share in np.linspace(0, 1, 10_001)]
    found = fit_shares(nats)
    assert loss(found, nats) <= min(grid) + 1e-9
    assert found[0] == pytest.approx(np.linspace(0, 1, 10_001)[np.argmin(grid)], abs=2e-4)


def test_equal_models_share_alike_and_a_useless_one_gets_nothing() -> None:
    nats = models(1, 50, 1)
    assert fit_shares(np.repeat(nats, 3, axis=0)).tolist() == pytest.approx([1 / 3] * 3)
    assert fit_shares(np.concatenate([nats, nats + 5])).tolist() == pytest.approx([1, 0], abs=1e-6)


def test_probabilities_of_zero_and_below_the_least_float() -> None:
    nats = np.array([[1.0, np.inf, 900.0], [1.0, 2.0, 901.0]])
    found = fit_shares(nats)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
    # The second token decides: only the second model knows it.
    assert found[1] > 0.5
