"""A recurrent language model. Legend: B rows, T steps, H hidden units."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.model_configs import RecurrentLanguageModelConfig
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import embedded
from seqlab.nn.initial import output_layer, uniform_embedding
from seqlab.nn.recurrent import RecurrentStack


class RecurrentLanguageModel(SequenceModel):
    """embedding -> dropout -> recurrence (dropout between its layers) -> dropout -> head.

    State: what the recurrence remembers, "h" (and "c"), each (B, layers, H).
    """

    capabilities = Capabilities(causal=True, carries_state=True)

    def __init__(
        self,
        config: RecurrentLanguageModelConfig,
        *,
        vocabulary: int,
        outputs: int,
        generator: torch.Generator,
    ):
        super().__init__()
        self.embedding = uniform_embedding(
            vocabulary, config.embedding_size, bound=config.init_range, generator=generator
        )
        self.recurrence = RecurrentStack(
            config.cell,
            config.embedding_size,
            config.hidden_size,
            layers=config.layers,
            dropout=config.dropout,
            summed=config.sum_layers,
            forget_bias=config.forget_bias,
            generator=generator,
        )
        self.dropout = Dropout(config.dropout)
        self.head = output_layer(
            config.hidden_size,
            outputs,
            bound=config.init_range,
            tied=self.embedding if config.tied else None,
            generator=generator,
        )

    def features(self, batch: Batch, state: State | None) -> tuple[Float[Tensor, "B T H"], State]:
        """Outputs of the last layer or the sum of all, zero in padding, and the state behind each row."""
        x = embedded(self.embedding, self.dropout, batch.tokens)
        y, new = self.recurrence(x, batch.lengths, None if state is None else state.tensors)
        return self.dropout(y), State(new)

    def start(self, batch_size: int) -> State:
        """Zeros."""
        return State(self.recurrence.start(batch_size))
