"""Entropies by solving the Markov chain of a language's states. Legend: S states.

A language with S states is an absorbing Markov chain whose absorbing state is the end of a string. Sums over
all its infinitely many strings are then solutions of linear systems with S unknowns.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, identity
from scipy.sparse.linalg import MatrixRankWarning, spsolve

from seqlab.languages.explorer import Explorer
from seqlab.languages.language import Entropy, FormalLanguage
from seqlab.schema.errors import UserError

MAX_STATES = 200_000
"""Number of states above which a chain is not solved."""


def entropy(language: FormalLanguage[Any]) -> Entropy:
    """In closed form: the expected visits of each state times the entropy of the next token there.

    With P the transition probabilities, the expected visits are v = (I - P^T)^-1 e_start (Kemeny and Snell
    1960). A string has v . H nats and v . 1 tokens, where H is the entropy of the next token in each state.

    Raises:
        UserError: the language has too many states.
    """
    explorer = Explorer(language)
    probabilities = transitions(explorer)
    size = len(explorer.probabilities)
    start = np.zeros(size)
    start[0] = 1.0
    with warnings.catch_warnings():
        # A chain that practically never ends: the solution is not finite.
        warnings.simplefilter("ignore", MatrixRankWarning)
        visits = np.asarray(spsolve(csc_matrix(identity(size) - probabilities.T), start))
    return Entropy(per_string=float(visits @ _entropies(explorer.probabilities)), tokens=float(visits.sum()))


def transitions(explorer: Explorer) -> csc_matrix:
    """(S, S) probabilities of going from each state to each other; explores all reachable states.

    Raises:
        UserError: there are too many.
    """
    rows, columns, probabilities = [], [], []
    number = 0
    # `successors` numbers new states, so the explorer grows until all reachable states have been visited.
    while number < len(explorer.probabilities):
        for probability, target in explorer.successors(number):
            rows.append(number)
            columns.append(target)
            probabilities.append(probability)
        number += 1
        if number > MAX_STATES:
            raise UserError(
                f"A language must have at most {MAX_STATES:,} states, so that its entropy can be computed. "
                "Got more."
            )
    return csc_matrix((probabilities, (rows, columns)), shape=(number, number))


def _entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S,) nats of the next token in each state; 0 log 0 is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(probabilities > 0, probabilities * np.log(probabilities), 0.0).sum(axis=1)
