"""Classifiers of whole sequences. Legend: B rows, T steps, H features."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.data.batch import Batch
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.model_configs import LinearClassifierConfig, Numbers, RecurrentClassifierConfig
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, Fixed, embedded
from seqlab.nn.initial import linear, normal_embedding
from seqlab.nn.pooling import POOLINGS
from seqlab.nn.recurrent import RecurrentStack


class SequenceClassifier(SequenceModel):
    """`embedding -> dropout [-> recurrence] [-> linear -> ReLU] -> pooling -> dropout -> head`.

    Args:
        embedding: a vector for each token, learned or fixed.
        recurrence: what reads the embedded tokens in order; None leaves the linear baseline.
        linear: map of each token's features before pooling; None pools them as they are.
        pooling: a key of `seqlab.nn.pooling.POOLINGS`.
        dropout: share dropped of embedded tokens and of pooled features.
        head: map to the classes.
    """

    capabilities = Capabilities(causal=False)

    def __init__(
        self,
        embedding: Embedding | Fixed,
        recurrence: RecurrentStack | None,
        linear: nn.Linear | None,
        *,
        pooling: str,
        dropout: float,
        head: nn.Linear,
    ):
        super().__init__()
        self.embedding, self.recurrence, self.linear, self.head = embedding, recurrence, linear, head
        self.dropout = Dropout(dropout)
        self.pooling = POOLINGS[pooling]

    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B H"], None]:
        """Pooled features of each text; there is no state."""
        assert state is None, "a classifier reads whole sequences"
        if self.recurrence is None:
            x = self.dropout(self.embedding(batch.tokens))
        else:
            x, _ = self.recurrence(
                embedded(self.embedding, self.dropout, batch.tokens), batch.lengths, need_state=False
            )
        return self.dropout(self.pooling(x, self.linear, batch.lengths)), None


def recurrent_classifier(
    config: RecurrentClassifierConfig,
    *,
    vocabulary: int,
    outputs: int,
    generator: torch.Generator,
    numbers: Numbers | None,
) -> SequenceClassifier:
    """The classifier with a recurrence; weights are drawn from the input's side to the output's."""
    embedding, between = _embedding(config, vocabulary, generator, numbers), config.linear_size
    recurrence = RecurrentStack(
        config.cell,
        embedding.embedding_dim,
        config.hidden_size,
        layers=config.layers,
        bidirectional=config.bidirectional,
        dropout=config.dropout,
        forget_bias=config.forget_bias,
        generator=generator,
    )
    features = recurrence.output_size
    return SequenceClassifier(
        embedding,
        recurrence,
        linear(features, between, generator=generator) if between else None,
        pooling=config.pooling,
        dropout=config.dropout,
        head=linear(between or features, outputs, generator=generator),
    )


def _embedding(
    config: RecurrentClassifierConfig, vocabulary: int, generator: torch.Generator, numbers: Numbers | None
) -> Embedding | Fixed:
    match config.embedding:
        case "learned":
            size, std = config.embedding_size, config.embedding_std
            return normal_embedding(vocabulary, size, std=std, generator=generator)
        case "one-hot":
            return Fixed(torch.eye(vocabulary))
        case "numbers":
            assert numbers is not None, "checked by the config"
            return Fixed(torch.tensor(numbers, dtype=torch.float32))


def linear_classifier(
    config: LinearClassifierConfig, *, vocabulary: int, outputs: int, generator: torch.Generator
) -> SequenceClassifier:
    """The classifier without a recurrence; weights are drawn from the input's side to the output's."""
    size = config.embedding_size
    return SequenceClassifier(
        normal_embedding(vocabulary, size, std=config.embedding_std, generator=generator),
        None,
        linear(size, config.linear_size, generator=generator),
        pooling=config.pooling,
        dropout=config.dropout,
        head=linear(config.linear_size, outputs, generator=generator),
    )
