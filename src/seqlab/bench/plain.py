"""Plain PyTorch, as a competent user writes it: torch's own layers, loss, clipping and optimizer.

Legend: B rows, T steps, V tokens, K labels. Parameters bear the names of seqlab's models.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.bench.workload import Classifying, LanguageModelling, TrainingStep, Weights, Workload
from seqlab.data.batch import Batch

States = Tensor | tuple[Tensor, ...]
"""As a layer hands them out: h alone, or several."""
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU}
"""Torch's layers by seqlab's names of their cells."""


class PlainLanguageModel(nn.Module):
    """embedding -> dropout -> LSTM or GRU (dropout between its layers) -> dropout -> linear."""

    def __init__(self, work: LanguageModelling):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        # With one layer there is nothing between its layers, and torch warns.
        between = work.dropout if work.layers > 1 else 0.0
        self.recurrence = LAYERS[work.cell](
            work.embedding, work.hidden, work.layers, dropout=between, batch_first=True
        )
        self.dropout = nn.Dropout(work.dropout)
        self.head = nn.Linear(work.hidden, work.vocabulary)
        if work.tied:
            self.head.weight = self.embedding.weight

    def forward(
        self, tokens: Int[Tensor, "B T"], state: States | None
    ) -> tuple[Float[Tensor, "B T V"], States]:
        """Logits, and the state behind the last token."""
        y, new = self.recurrence(self.dropout(self.embedding(tokens)), state)
        return self.head(self.dropout(y)), new


class Classifier(nn.Module):
    """embedding -> dropout [-> LSTM] -> linear -> ReLU -> maximum over time -> dropout -> linear."""

    def __init__(self, work: Classifying):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        self.recurrence = nn.LSTM(work.embedding, work.hidden, batch_first=True) if work.hidden else None
        self.linear = nn.Linear(work.hidden or work.embedding, work.linear)
        self.dropout = nn.Dropout(work.dropout)
        self.head = nn.Linear(work.linear, len(work.labels))

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Logits; tokens behind a row's length take no part."""
        x = self.dropout(self.embedding(tokens))
        if self.recurrence is not None:
            x, _ = self.recurrence(x)
        x = torch.relu(self.linear(x))
        padding = torch.arange(x.shape[1]) >= lengths.unsqueeze(1)
        pooled = x.masked_fill(padding.unsqueeze(2), -torch.inf).max(1).values
        return self.head(self.dropout(pooled))


def detached(state: States) -> States:
    """The same, out of the graph."""
    return state.detach() if isinstance(state, Tensor) else tuple(tensor.detach() for tensor in state)


class Descent:
    """Backward, clipping, and a step of `torch.optim.SGD`, all with torch's defaults."""

    def __init__(self, model: nn.Module, work: Workload):
        self._model, self._clip = model, work.clip
        self._optimizer = torch.optim.SGD(model.parameters(), lr=work.rate, momentum=work.momentum)

    def __call__(self, loss: Float[Tensor, ""]) -> float:
        """Move against the gradient of a loss; returns its value."""
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._clip)
        self._optimizer.step()
        return loss.item()


class LanguageModelStep:
    """See `TrainingStep`; of any module from tokens and state to logits and state."""

    def __init__(self, model: nn.Module, work: LanguageModelling):
        self.model, self._descend = model, Descent(model, work)
        self._loss = nn.CrossEntropyLoss()
        self._state: States | None = None

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        logits, state = self.model(batch.inputs.tokens, self._state)
        self._state = detached(state)
        return self._descend(self._loss(logits.flatten(0, 1), batch.target_values.flatten()))


class ClassifierStep:
    """See `TrainingStep`."""

    def __init__(self, model: Classifier, work: Classifying):
        self.model, self._descend = model, Descent(model, work)
        self._loss = nn.CrossEntropyLoss()

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        return self._descend(
            self._loss(self.model(batch.inputs.tokens, batch.inputs.lengths), batch.target_values)
        )


def language_model(work: LanguageModelling, weights: Weights) -> TrainingStep:
    """The step of a language model from these weights."""
    model = PlainLanguageModel(work)
    model.load_state_dict(weights)
    return LanguageModelStep(model, work)


def classifier(work: Classifying, weights: Weights) -> TrainingStep:
    """The step of a classifier from these weights."""
    model = Classifier(work)
    model.load_state_dict(weights)
    return ClassifierStep(model, work)
