import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seqlab.decode.sampling import SamplingOptions, distribution, sample_tokens
from seqlab.schema.errors import UserError

FEW_VALUES = st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 3.0])
"""So few that ties are common."""


def naive(logits, choice: SamplingOptions):
    """Token by token, in plain floats: rank, cut, add up."""
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    if choice.temperature == 0:
        return np.eye(len(logits))[order[0]]
    weights = [math.exp((logits[token] - max(logits)) / choice.temperature) for token in order]
    weights = weights[: choice.top_k]
    probabilities = [weight / sum(weights) for weight in weights]
    if choice.top_p is not None and choice.top_p < 1:
        size = next(
            (
                n
                for n in range(1, len(order) + 1)
                if np.cumsum(probabilities)[n - 1 : n].sum() >= choice.top_p
            ),
            len(probabilities),
        )
        probabilities = [p / sum(probabilities[:size]) for p in probabilities[:size]]
    result = np.zeros(len(logits))
    result[order[: len(probabilities)]] = probabilities
    return result


@given(
    logits=hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 7)), elements=FEW_VALUES),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.sampled_from([0.1, 0.3, 0.7, 0.95, 1.0]),
)
def test_distribution_is_the_naive_one(logits, temperature, top_k, top_p):
    choice = SamplingOptions(temperature=temperature, top_k=top_k, top_p=top_p)
    found = distribution(torch.from_numpy(logits), choice).numpy()
    np.testing.assert_allclose(found, [naive(row.tolist(), choice) for row in logits], atol=1e-12)


def test_ties_go_to_the_smaller_id():
    logits = torch.zeros(1, 4)
    assert distribution(logits, SamplingOptions(top_k=2)).tolist() == [[0.5, 0.5, 0, 0]]
    assert distribution(logits, SamplingOptions(top_p=0.5)).tolist() == [[0.5, 0.5, 0, 0]]
    assert distribution(logits, SamplingOptions(temperature=0)).tolist() == [[1, 0, 0, 0]]


def test_top_p_keeps_the_smallest_set_that_reaches_its_mass():
    logits = torch.tensor([[0.125, 0.5, 0.125, 0.25]]).log()
    for top_p, kept in [(0.5, [1]), (0.51, [1, 3]), (0.75, [1, 3]), (0.8, [0, 1, 3]), (1e-9, [1])]:
        assert distribution(logits, SamplingOptions(top_p=top_p))[0].nonzero().squeeze(1).tolist() == kept


def test_temperature_comes_before_top_p():
    logits = torch.tensor([[0.6, 0.3, 0.1]]).log()
    hot = distribution(logits, SamplingOptions(temperature=100.0, top_p=0.6))
    cold = distribution(logits, SamplingOptions(temperature=0.1, top_p=0.6))
    assert (hot > 0).tolist() == [[True, True, False]]
    assert (cold > 0).tolist() == [[True, False, False]]


@pytest.mark.parametrize("temperature", [1e-300, 1e-30, 1e300])
def test_extreme_temperatures_stay_a_distribution(temperature):
    found = distribution(torch.tensor([[1e30, -1e30, 5.0]]), SamplingOptions(temperature=temperature))
    assert found.sum().item() == pytest.approx(1)
    assert found.isfinite().all()


@given(
    probabilities=st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0]), min_size=1, max_size=6).filter(any),
    chance=st.floats(0, 1, exclude_max=True),
)
@example(probabilities=[0.0, 1.0, 0.0], chance=0.0)
@example(probabilities=[1.0, 2.0, 0.0], chance=1 - 2**-53)
def test_choose_inverts_the_cumulative_distribution(probabilities, chance):
    logits = torch.tensor([probabilities], dtype=torch.float64).log()
    chosen = int(sample_tokens(logits, SamplingOptions(), torch.tensor([chance], dtype=torch.float64)))
    cumulative = np.cumsum(probabilities) / np.sum(probabilities)
    assert probabilities[chosen] > 0
    assert cumulative[chosen] >= chance - 1e-12
    assert chosen == 0 or cumulative[chosen - 1] <= chance + 1e-12


def test_frequencies_follow_the_distribution():
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(40_000, 4)
    probabilities = torch.rand(40_000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    counts = torch.bincount(sample_tokens(logits, SamplingOptions(), probabilities), minlength=4).numpy()
    expected = np.array([4000, 8000, 12000, 16000])
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 16.3  # 99.9 % quantile of 3 degrees of freedom


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, r"'temperature' must be .* at least 0 .*Got -1.0. Nearest: 0.0"),
        ({"temperature": math.nan}, r"'temperature' must be a finite number.*Got nan"),
        ({"top_k": 0}, r"'top_k' must be at least 1 token. Got 0. Nearest: 1"),
        ({"top_p": 0.0}, r"'top_p' must be a share above 0 and at most 1. Got 0.0"),
        ({"top_p": 1.5}, r"'top_p' must be a share .*Got 1.5. Nearest: 1.0"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        SamplingOptions(**settings)
