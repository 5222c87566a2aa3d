"""What a language model does in training alone; free of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Regularisation:
    """How a language model is regularised outside of its body; all are off by default.

    input_dropout, output_dropout: share dropped of embedded tokens, and of what the head reads.
    locked: whether the steps of a sequence share their masks (Gal and Ghahramani 2016).
    embedding_dropout: share of the vocabulary whose vectors are zero for a batch; see `VocabularyDropout`.
    activation, temporal: factors of the penalties on the outputs of the body; see `ActivationPenalty`.
    """

    input_dropout: float = 0.0
    output_dropout: float = 0.0
    locked: bool = False
    embedding_dropout: float = 0.0
    activation: float = 0.0
    temporal: float = 0.0


UNREGULARISED = Regularisation()
