"""What is expected of the lengths of samples that follow the true distribution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.languages.language import FormalLanguage

NEGLIGIBLE = 1e-12
"""Probability of still longer strings below which these are left out."""
FIRST_LIMIT = 512
"""Tokens up to which lengths are computed first."""
DRAWS = 1_000
"""Draws of lengths over which a distance is averaged."""


@dataclass(frozen=True)
class ExpectedLengths:
    """Of strings that begin with given prompts and have at most some number of tokens after them.

    complete: the probability that a string ends within the limit. lengths: the distribution of the lengths of
    those that do, in tokens, the prompt included and the end not; empty if none does.
    """

    complete: float
    lengths: Mapping[int, float]

    def distance(self, counts: Mapping[int, int]) -> float:
        """Largest difference between the cumulative distributions: the Kolmogorov-Smirnov statistic.

        >>> ExpectedLengths(1.0, {2: 0.5, 4: 0.5}).distance({2: 2, 3: 1, 4: 1})
        0.25
        """
        lengths = sorted({*counts, *self.lengths})
        expected = np.array([self.lengths.get(length, 0.0) for length in lengths])
        return _distance(np.array([counts.get(length, 0) for length in lengths]), expected)

    def expected_distance(self, count: int) -> float:
        """The mean distance of so many lengths that are drawn from the distribution itself.

        A mean over `DRAWS` seeded draws: with as many samples, a model that knows the distribution has this
        distance on average.
        """
        random = np.random.default_rng(0)
        draws = (random.multinomial(count, self._probabilities) for _ in range(DRAWS))
        return float(np.mean([_distance(drawn, self._probabilities) for drawn in draws]))

    @cached_property
    def _probabilities(self) -> NDArray[np.float64]:
        probabilities = np.array([self.lengths[length] for length in sorted(self.lengths)])
        return probabilities / probabilities.sum()


def expected_lengths(
    language: FormalLanguage[Any], prompts: Mapping[str, int], max_tokens: int
) -> ExpectedLengths:
    """Exact lengths of strings of a language, except that negligibly rare ones may be left out.

    Args:
        language: what the strings belong to.
        prompts: how many strings begin with each of these prefixes.
        max_tokens: tokens of a string after its prompt, the end not counted.

    >>> from seqlab.languages.dyck import Dyck
    >>> expected_lengths(Dyck(1, 0.25, None), {"(": 3, "()": 1}, 1)
    ExpectedLengths(complete=0.8125, lengths={2: 1.0})

    Raises:
        UserError: a prompt is no prefix, or there are too many states to compute the lengths.
    """
    states, numbers = dict[Hashable, Any](), Counter[tuple[int, Hashable]]()
    for prompt, number in prompts.items():
        tokens, state = language.split(prompt), language.state_after(prompt)
        key = language.length_class(state)
        states[key] = state
        numbers[len(tokens), key] += number
    lengths = dict[int, float]()
    total = sum(numbers.values())
    remaining = {key: _remaining(language, state, max_tokens) for key, state in states.items()}
    for (begun, key), number in numbers.items():
        for length in np.flatnonzero(remaining[key]).tolist():
            share = number * float(remaining[key][length]) / total
            lengths[begun + length] = lengths.get(begun + length, 0.0) + share
    complete = sum(lengths.values())
    return ExpectedLengths(complete, {n: lengths[n] / complete for n in sorted(lengths)})


def _remaining(language: FormalLanguage[Any], state: Any, max_tokens: int) -> NDArray[np.float64]:
    """Probabilities of the remaining lengths, up to where longer ones are negligible."""
    limit = min(FIRST_LIMIT, max_tokens)
    while True:
        found = language.remaining_lengths(state, limit)
        if limit == max_tokens or found.sum() >= 1 - NEGLIGIBLE:
            return found
        limit = min(2 * limit, max_tokens)


def _distance(counts: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    return float(np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(probabilities)).max())
