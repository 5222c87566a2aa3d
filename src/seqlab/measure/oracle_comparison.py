"""The distributions of a language model and the true ones, after every prefix of the texts of a split.

Legend: B sequences, T steps, V ids of the vocabulary, N prefixes, M texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab.data.batch import Batch
from seqlab.data.batching import SequencesConfig
from seqlab.data.dataset import Split
from seqlab.data.token_oracle import TokenOracle
from seqlab.languages.explorer import WRONG
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of, evaluating
from seqlab.schema.records import Curve
from seqlab.tasks.task import Task

NATS = "nats per token"
_ROWS = SequencesConfig(batch_size=200)

Part = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class OracleComparison:
    """A model compared with the true distribution.

    divergence: (N,) Kullback-Leibler divergence of the model from the true distribution, in nats. positions:
    (N,) tokens before. depths: (N,) open brackets, -1 where the language has no depth. lengths, deepest: (M,)
    of each text. accepted: (M,) whether at every position exactly the tokens that may follow are likely.
    """

    divergence: NDArray[np.float64]
    positions: NDArray[np.int64]
    depths: NDArray[np.int64]
    lengths: NDArray[np.int64]
    deepest: NDArray[np.int64]
    accepted: NDArray[np.bool_]

    def curves(self, split: str) -> list[Curve]:
        """Divergence by position and by depth, the latter where the language has one."""
        found = [_by("divergence_by_position", self.positions, self.divergence, ("tokens", NATS), split)]
        if self.depths.max() > 0:
            found.append(_by("divergence_by_depth", self.depths, self.divergence, ("open", NATS), split))
        return found

    def acceptance(self, split: str) -> list[Curve]:
        """Shares of texts that are accepted, by length and, where the language knows it, by depth."""
        unit = "fraction of texts"
        found = [_by("accepted_by_length", self.lengths, self.accepted, ("tokens", unit), split)]
        if self.deepest.max() > 0:
            found.append(_by("accepted_by_depth", self.deepest, self.accepted, ("open", unit), split))
        return found


def compare(model: SequenceModel, task: Task, oracle: TokenOracle, split: Split) -> OracleComparison:
    """Compare model and oracle after every prefix of every text, dropout off.

    A token is likely if its probability is more than half that of the rarest token that may follow anywhere
    in these texts; so a model accepts a text if at each position it distinguishes the tokens that may follow
    from those that may not, after the criterion of Gers and Schmidhuber (2001), whose nets output 1 or 0 for
    each token.
    """
    batches = [(batch, _states(batch, oracle)) for batch in task.batches(split, _ROWS, None)]
    # All texts first: the threshold must depend neither on their order nor on earlier comparisons.
    threshold = min(_rarest(states, oracle) for _, states in batches) / 2
    parts = [
        _part(batch, states, _log_probabilities(model, batch), oracle, threshold=threshold)
        for batch, states in batches
    ]
    return OracleComparison(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _states(batch: Batch, oracle: TokenOracle) -> NDArray[np.int64]:
    """(B, T) before each target, `WRONG` after the end."""
    states = np.full(batch.inputs.tokens.shape, WRONG)
    lengths = batch.inputs.lengths.tolist()
    for row, (targets, length) in enumerate(zip(batch.target_values.numpy(), lengths, strict=True)):
        states[row, :length] = oracle.walk(targets[: length - 1])
    return states


def _rarest(states: NDArray[np.int64], oracle: TokenOracle) -> float:
    """The smallest probability above 0 in these states."""
    probabilities = oracle.rows(np.unique(states[states != WRONG]))
    return float(probabilities[probabilities > 0].min())


def _log_probabilities(model: SequenceModel, batch: Batch) -> NDArray[np.float64]:
    """(B, T, V)."""
    with evaluating(model):
        logits, _ = model(batch.to(device_of(model)))
    return torch.log_softmax(logits.double().cpu(), dim=-1).numpy()


def _part(
    batch: Batch,
    states: NDArray[np.int64],
    logs: NDArray[np.float64],
    oracle: TokenOracle,
    *,
    threshold: float,
) -> Part:
    """The fields of `OracleComparison` for one batch."""
    lengths = batch.inputs.lengths.numpy()
    inside = np.arange(states.shape[1]) < lengths[:, None]
    probabilities, depths = oracle.rows(states), oracle.depths[states]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(probabilities > 0, probabilities * (np.log(probabilities) - logs), 0.0)
    distinguished = ((np.exp(logs) > threshold) == (probabilities > 0)).all(axis=-1)
    positions = np.broadcast_to(np.arange(states.shape[1]), states.shape)
    return (
        terms.sum(axis=-1)[inside],
        positions[inside],
        depths[inside],
        lengths - 1,
        np.where(inside, depths, -1).max(axis=1),
        (distinguished | ~inside).all(axis=1),
    )


def _by(
    name: str, keys: NDArray[np.int64], values: NDArray[Any], units: tuple[str, str], split: str
) -> Curve:
    """Means of the values that have the same key."""
    x, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    y = np.bincount(inverse, weights=values.astype(float)) / counts
    return Curve(
        name=name, x=tuple(x.tolist()), y=tuple(y.tolist()), x_unit=units[0], y_unit=units[1], split=split
    )
