"""How many tokens remain of a string, exactly.

Legend: M the maximum number of tokens, C length classes.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqlab.languages.explorer import StateMachine
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

MAX_STEPS = 1_000_000
"""Maximum number of tokens up to which lengths are computed."""
MAX_ENTRIES = 20_000_000
"""Entries of a table, tokens times length classes, above which it is refused."""
MAX_PRODUCTS = 2_000_000_000
"""The same for the lengths from one state, which are not stored for all classes."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LengthTable:
    """Where a string can end, from each length class that can be reached.

    indices: the index of each class; 0 is that of the state from which the table was computed.
    ends: (M+1, C): the probability that a string ends after exactly that many further tokens.
    """

    indices: dict[Hashable, int]
    ends: Floats


def length_table(language: StateMachine, state: Any, steps: int) -> LengthTable:
    """The table of the classes that can be reached from a state within `steps` tokens.

    Raises:
        UserError: it would be too large.
    """
    indices, transitions, ending = _chain(language, state, steps, MAX_ENTRIES)
    ends = np.empty((steps + 1, len(ending)))
    ends[0] = ending
    for step in range(steps):
        ends[step + 1] = transitions @ ends[step]
    return LengthTable(indices, ends)


def lengths_from(language: StateMachine, state: Any, steps: int) -> Floats:
    """(M+1,) the probability that a string ends after exactly so many further tokens.

    Raises:
        UserError: there are too many classes to go through.
    """
    from scipy.sparse import csc_matrix

    _, transitions, ending = _chain(language, state, steps, MAX_PRODUCTS)
    forward, backward = np.zeros(len(ending)), csc_matrix(transitions.T)
    forward[0] = 1.0
    lengths = np.empty(steps + 1)
    for step in range(steps + 1):
        lengths[step] = forward @ ending
        forward = backward @ forward
    return lengths


def possible_lengths(language: StateMachine, state: Any, steps: int) -> NDArray[np.bool_]:
    """(M+1,) whether a string can end after exactly so many further tokens, however rarely.

    Raises:
        UserError: there are too many classes to go through.
    """
    from scipy.sparse import csc_matrix

    _, transitions, ending = _chain(language, state, steps, MAX_PRODUCTS)
    backward = csc_matrix(transitions.T != 0, dtype=np.int64)
    reached, possible = np.zeros(len(ending), dtype=np.int64), np.empty(steps + 1, dtype=np.bool_)
    reached[0] = 1
    for step in range(steps + 1):
        possible[step] = bool(reached[ending > 0].any())
        reached = (backward @ reached > 0).astype(np.int64)
    return possible


def _chain(
    language: StateMachine, first: Any, steps: int, most: int
) -> tuple[dict[Hashable, int], csc_matrix, Floats]:
    """The length classes as a Markov chain, found breadth first: (C, C) between them, (C,) of ending at once.

    One state represents its class: what is computed from the chain is the distribution of the remaining
    length, which all states of a class share.
    """
    from scipy.sparse import csc_matrix

    if steps > MAX_STEPS:
        raise UserError(
            f"The maximum number of tokens of a string must be at most {MAX_STEPS:,}. Got {steps:,}. "
            f"Nearest: {MAX_STEPS}."
        )
    indices: dict[Hashable, int] = {language.length_class(first): 0}
    alphabet = frozenset(language.alphabet)
    frontier, ending = [first], dict[int, float]()
    rows, columns, probabilities = list[int](), list[int](), list[float]()
    for _ in range(steps + 1):
        reached = []
        for state in frontier:
            index = indices[language.length_class(state)]
            for token, probability in language.distribution(state).items():
                if token not in alphabet:
                    ending[index] = probability
                    continue
                target = language.advance(state, token)
                target_class = language.length_class(target)
                if target_class not in indices:
                    indices[target_class] = len(indices)
                    reached.append(target)
                rows.append(index)
                columns.append(indices[target_class])
                probabilities.append(probability)
        _check_size(steps, len(indices), most)
        if not reached:
            break
        frontier = reached
    size = len(indices)
    # Several tokens may lead from one class to another; csc_matrix adds their probabilities.
    transitions = csc_matrix((probabilities, (rows, columns)), shape=(size, size))
    return indices, transitions, np.array([ending.get(index, 0.0) for index in range(size)])


def _check_size(steps: int, classes: int, most: int) -> None:
    if (steps + 1) * classes > most:
        raise UserError(
            f"The lengths of strings must be computed from at most {most:,} probabilities. Got more for "
            f"strings of up to {steps:,} tokens. Nearest: a lower maximum number of tokens."
        )
