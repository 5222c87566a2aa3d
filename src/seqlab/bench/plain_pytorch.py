"""Plain PyTorch, as an experienced user writes it: torch's own layers, loss, clipping and optimizer.

Legend: B batch, T time steps, V vocabulary, K labels. Parameters have the names of seqlab's models.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seqlab.bench.workload import (
    Attending,
    Classifying,
    Convolving,
    Flattening,
    Labelling,
    LanguageModelling,
    RecurrentModelling,
    TrainingStep,
    Weights,
    Workload,
)
from seqlab.data.batch import Batch

States = Tensor | tuple[Tensor, ...]
"""The states of a layer: h alone, or several."""
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU}
"""Torch's layers by the names of their cells in seqlab."""


class PlainLanguageModel(nn.Module):
    """embedding -> dropout -> LSTM or GRU (dropout between its layers) -> dropout -> linear."""

    def __init__(self, work: RecurrentModelling):
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


class PlainTransformer(nn.Module):
    """embedding * sqrt(H) + sinusoids -> dropout -> pre-norm layers -> norm -> linear; causal."""

    def __init__(self, work: Attending):
        super().__init__()
        H, T, rate = work.hidden, work.sequence_length, work.dropout
        self.embedding, self.dropout = nn.Embedding(work.vocabulary, H), nn.Dropout(rate)
        layer = nn.TransformerEncoderLayer(
            H, work.heads, work.feed_forward, rate, batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(H)
        self.body = nn.TransformerEncoder(layer, work.layers, norm, enable_nested_tensor=False)
        self.head = nn.Linear(H, work.vocabulary)
        # (T, H / 2): of each position and frequency.
        angles = torch.arange(T).unsqueeze(1) * 10000.0 ** (-torch.arange(0, H, 2) / H)
        positions = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(T), persistent=False)

    def forward(
        self, tokens: Int[Tensor, "B T"], state: States | None
    ) -> tuple[Float[Tensor, "B T V"], States]:
        """Logits; each window is read from scratch."""
        x = self.embedding(tokens) * self.embedding.embedding_dim**0.5 + self.positions
        return self.head(self.body(self.dropout(x), mask=self.mask, is_causal=True)), ()


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


class ConvolutionalClassifier(nn.Module):
    """embedding -> dropout -> convolutions side by side -> ReLU -> maximum over time -> dropout -> linear."""

    def __init__(self, work: Convolving):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(work.embedding, work.filters, width) for width in work.widths
        )
        self.dropout = nn.Dropout(work.dropout)
        self.head = nn.Linear(work.filters * len(work.widths), len(work.labels))

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Logits; tokens beyond a sequence's length have no effect."""
        padding = (torch.arange(tokens.shape[1]) >= lengths.unsqueeze(1)).unsqueeze(1)
        x = self.dropout(self.embedding(tokens)).transpose(1, 2).masked_fill(padding, 0.0)
        widths = [one.kernel_size[0] for one in self.convolutions if isinstance(one, nn.Conv1d)]
        # As padding="same", which warns about even widths.
        spaced = [functional.pad(x, ((width - 1) // 2, width // 2)) for width in widths]
        outputs = [torch.relu(one(x)) for one, x in zip(self.convolutions, spaced, strict=True)]
        maps = [output.masked_fill(padding, 0.0) for output in outputs]
        return self.head(self.dropout(torch.cat([one.max(2).values for one in maps], dim=1)))


class WindowClassifier(nn.Module):
    """embedding -> zeros in front, up to the window -> dropout -> linear -> ReLU -> dropout -> linear."""

    def __init__(self, work: Flattening):
        super().__init__()
        self.embedding = nn.Embedding(work.vocabulary, work.embedding)
        self.dense = nn.Linear(work.window * work.embedding, work.dense)
        self.head = nn.Linear(work.dense, len(work.labels))
        self.dropout, self._window = nn.Dropout(work.dropout), work.window

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        """Logits of texts of equal length, none longer than the window."""
        assert bool((lengths == tokens.shape[1]).all()), "no text is padded"
        x = functional.pad(self.embedding(tokens), (0, 0, self._window - tokens.shape[1], 0))
        h = torch.relu(self.dense(self.dropout(x.flatten(1))))
        return self.head(self.dropout(h))


def detached(state: States) -> States:
    """The state, detached from the graph."""
    return state.detach() if isinstance(state, Tensor) else tuple(tensor.detach() for tensor in state)


class Update:
    """Backward, clipping, and a step of torch's optimizer, all with torch's defaults."""

    def __init__(self, model: nn.Module, work: Workload):
        self._model, self._clip_norm = model, work.clip_norm
        parameters, rate = model.parameters(), work.learning_rate
        self._optimizer = (
            torch.optim.Adam(parameters, lr=rate)
            if work.optimizer == "adam"
            else torch.optim.SGD(parameters, lr=rate, momentum=work.momentum)
        )

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
        self.model, self._update = model, Update(model, work)
        self._loss = nn.CrossEntropyLoss()
        self._state: States | None = None

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        logits, state = self.model(batch.inputs.tokens, self._state)
        self._state = detached(state)
        return self._update(self._loss(logits.flatten(0, 1), batch.target_values.flatten()))


class ClassifierStep:
    """The training step of a classifier."""

    def __init__(self, model: nn.Module, work: Labelling):
        self.model, self._update = model, Update(model, work)
        self._loss = nn.CrossEntropyLoss()

    def __call__(self, batch: Batch) -> float:
        """One training step; returns the mean loss in nats per target."""
        logits = self.model(batch.inputs.tokens, batch.inputs.lengths)
        return self._update(self._loss(logits, batch.target_values))


def transformer(work: Attending, weights: Weights) -> TrainingStep:
    """The training step of a Transformer with these initial weights."""
    return LanguageModelStep(_loaded(PlainTransformer(work), weights), work)


def language_model(work: RecurrentModelling, weights: Weights) -> TrainingStep:
    """The training step of a language model with these initial weights."""
    model = PlainLanguageModel(work)
    model.load_state_dict(weights)
    return LanguageModelStep(model, work)


def classifier(work: Classifying, weights: Weights) -> TrainingStep:
    """The training step of a classifier with these initial weights."""
    model = Classifier(work)
    model.load_state_dict(weights)
    return ClassifierStep(model, work)


def convolutional(work: Convolving, weights: Weights) -> TrainingStep:
    """The training step of a convolutional classifier with these initial weights."""
    return ClassifierStep(_loaded(ConvolutionalClassifier(work), weights), work)


def window(work: Flattening, weights: Weights) -> TrainingStep:
    """The training step of a classifier of a fixed window with these initial weights."""
    return ClassifierStep(_loaded(WindowClassifier(work), weights), work)


def _loaded(model: nn.Module, weights: Weights) -> nn.Module:
    """The model with weights in the order of its own; seqlab names them by its layers."""
    model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    return model
