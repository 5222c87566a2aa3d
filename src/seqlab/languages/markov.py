"""Sums over all strings of a language with few states: a chain of Markov that ends. Legend: S states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, identity
from scipy.sparse.linalg import spsolve

from seqlab.languages.explorer import Explorer
from seqlab.languages.language import Entropy, FormalLanguage
from seqlab.schema.errors import UserError

MOST = 200_000
"""States above which a chain is not solved."""


def entropy(language: FormalLanguage[Any]) -> Entropy:
    """In closed form: expected visits of each state (Kemeny and Snell 1960), each of its own entropy.

    With P the chances of going from state to state, visits v = (I - P^T)^-1 e_start, nats per string
    v . H and tokens v . 1, H being the entropy of what stands behind a state.

    Raises:
        UserError: the language has too many states.
    """
    explorer = Explorer(language)
    passes = transitions(explorer)
    size = len(explorer.probabilities)
    begin = np.zeros(size)
    begin[0] = 1.0
    visits = np.asarray(spsolve(csc_matrix(identity(size) - passes.T), begin))
    return Entropy(per_string=float(visits @ _entropies(explorer.probabilities)), tokens=float(visits.sum()))


def transitions(explorer: Explorer) -> csc_matrix:
    """(S, S) chances of going from each state to each, all states that can be reached being met.

    Raises:
        UserError: there are too many.
    """
    rows, columns, probabilities = [], [], []
    number = 0
    while number < len(explorer.probabilities):
        for chance, behind in explorer.successors(number):
            rows.append(number)
            columns.append(behind)
            probabilities.append(chance)
        number += 1
        if number > MOST:
            raise UserError(f"A language must have at most {MOST:,} states for this. Got more.")
    return csc_matrix((probabilities, (rows, columns)), shape=(number, number))


def _entropies(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(probabilities > 0, probabilities * np.log(probabilities), 0.0).sum(axis=1)
