"""What a classifier reads a token as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from seqlab.models.input_spec import InputSpec
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import torch

    from seqlab.nn.embedding import Embedding, Fixed

EmbeddingName = Literal["learned", "one-hot", "numbers", "ids"]
MOST_ONE_HOT = 5_000
"""Tokens that are read as one-hot vectors, at most: their table has 100 MB then."""


def build_embedding(
    name: EmbeddingName, spec: InputSpec, *, size: int, std: float, generator: torch.Generator
) -> Embedding | Fixed:
    """The vector of each token.

    Args:
        name: a learned vector, a one-hot one, the numbers that a token is, or its id as one number.
        spec: sizes of the inputs, and the numbers that tokens are.
        size: features of a learned vector.
        std: standard deviation of the normal distribution that learned vectors are drawn from.
        generator: source of the weights.

    Raises:
        UserError: tokens are no numbers, or too many for one-hot vectors.
    """
    import torch

    from seqlab.nn.embedding import Fixed
    from seqlab.nn.initial import normal_embedding

    match name:
        case "learned":
            return normal_embedding(spec.vocabulary, size, std=std, generator=generator)
        case "one-hot":
            _check_one_hot(spec.vocabulary)
            return Fixed(torch.eye(spec.vocabulary))
        case "ids":
            return Fixed(torch.arange(spec.vocabulary, dtype=torch.float32).unsqueeze(1))
        case "numbers":
            if spec.numbers is None:
                raise UserError(
                    "'model.embedding' must be 'learned' or 'one-hot' where tokens are no numbers. "
                    "Got 'numbers'. Nearest: data.tokenizer.kind='numbers'."
                )
            return Fixed(torch.tensor(spec.numbers, dtype=torch.float32))


def _check_one_hot(vocabulary: int) -> None:
    if vocabulary > MOST_ONE_HOT:
        raise UserError(
            f"'model.embedding' must be 'learned' for more than {MOST_ONE_HOT:,} tokens, because each "
            f"one-hot vector has as many elements. Got 'one-hot' for {vocabulary:,}."
        )
