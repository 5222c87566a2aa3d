"""Plain PyTorch, as an experienced user writes it: torch's own layers, loss, clipping and optimizer.

Legend: B batch, T time steps, V vocabulary, K labels. Parameters have the names of seqlab's models.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.bench.workload import Classifying, LanguageModelling, TrainingStep, Weights, Workload
from seqlab.data.batch import Batch

States = Tensor | tuple[Tensor, ...]
"""The states of a layer: h alone, or several."""
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU}
"""Torch's layers by the names of their cells in seqlab."""


class PlainLanguageModel(nn.Module):
    """embedding -> dropout -> LSTM or GRU (dropout between its layers) -> dropout -> linear."""

    def __init__(self, work: LanguageModelling):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        # Torch warns about dropout between layers where there is only one.
        between = work.dropout if work.layers > 1 else 0.0
        self.body = LAYERS[work.cell](
            work.embedding, work.hidden, work.layers, dropout=between, batch_first=True
        )
        self.dropout = nn.Dropout(work.dropout)
        self.head = nn.Linear(work.hidden, work.vocabulary)
        if work.tied:
            self.head.weight = self.embedding.weight

    def forward(
        self, tokens: Int[Tensor, "B T"], state: States | None
    ) -> tuple[Float[Tensor, "B T V"], States]:
        """Logits, and the state after the last token."""
        y, new = self.body(self.dropout(self.embedding(tokens)), state)
        return self.head(self.dropout(y)), new


class Classifier(nn.Module):
    """embedding -> dropout [-> LSTM] -> linear -> ReLU -> maximum over time -> dropout -> linear."""

    def __init__(self, work: Classifying):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        self.body = nn.LSTM(work.embedding, work.hidden, batch_first=True) if work.hidden else None
        self.linear = nn.Linear(work.hidden or work.embedding, work.linear)
        self.dropout = nn.Dropout(work.dropout)
        self.head = nn.Linear(work.linear, len(work.labels))

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Logits; tokens beyond a sequence's length have no effect."""
        x = self.dropout(self.embedding(tokens))
        if self.body is not None:
            x, _ = self.body(x)
        x = torch.relu(self.linear(x))
        # -inf is never the maximum, as long as a sequence has a token.
        padding = torch.arange(x.shape[1]) >= lengths.unsqueeze(1)
        pooled = x.masked_fill(padding.unsqueeze(2), -torch.inf).max(1).values
        return self.head(self.dropout(pooled))


def detached(state: States) -> States:
    """The state, detached from the graph."""
    return state.detach() if isinstance(state, Tensor) else tuple(tensor.detach() for tensor in state)


class SgdStep:
    """Backward, clipping, and a step of `torch.optim.SGD`, all with torch's defaults."""

    def __init__(self, model: nn.Module, work: Workload):
        self._model, self._clip_norm = model, work.clip_norm
        self._optimizer = torch.optim.SGD(model.parameters(), lr=work.learning_rate, momentum=work.momentum)

    def __call__(self, loss: Float[Tensor, ""]) -> float:
        """Take a step down the gradient of a loss; returns its value."""
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._clip_norm)
        self._optimizer.step()
        return loss.item()


class LanguageModelStep:
    """The training step of any module from tokens and state to logits and state."""

    def __init__(self, model: nn.Module, work: LanguageModelling):
        self.model, self._update = model, SgdStep(model, work)
        self._loss = nn.CrossEntropyLoss()
        self._state: States | None = None

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        logits, state = self.model(batch.inputs.tokens, self._state)
        self._state = detached(state)
        return self._update(self._loss(logits.flatten(0, 1), batch.target_values.flatten()))


class ClassifierStep:
    """The training step of a classifier."""

    def __init__(self, model: Classifier, work: Classifying):
        self.model, self._update = model, SgdStep(model, work)
        self._loss = nn.CrossEntropyLoss()

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        logits = self.model(batch.inputs.tokens, batch.inputs.lengths)
        return self._update(self._loss(logits, batch.target_values))


def language_model(work: LanguageModelling, weights: Weights) -> TrainingStep:
    """The training step of a language model with these initial weights."""
    model = PlainLanguageModel(work)
    model.load_state_dict(weights)
    return LanguageModelStep(model, work)


def classifier(work: Classifying, weights: Weights) -> TrainingStep:
    """The training step of a classifier with these initial weights."""
    model = Classifier(work)
    model.load_state_dict(weights)
    return ClassifierStep(model, work)
