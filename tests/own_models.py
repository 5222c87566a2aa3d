"""Modules as users write them, in the many forms in which they take tokens and give logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class GruLanguageModel(nn.Module):
    """Batch first, no state."""

    def __init__(self, vocabulary: int, size: int = 8):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.rnn = nn.GRU(size, size, batch_first=True)
        self.head = nn.Linear(size, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.rnn(self.embedding(tokens))[0])


class TimeFirstLanguageModel(nn.Module):
    """(T, B), with a state; logits in one row of all steps, as the well-known word language model has
    them."""

    def __init__(self, ntoken: int, size: int = 6, layers: int = 2, dropout: float = 0.2):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, size)
        self.rnn = nn.LSTM(size, size, layers, dropout=dropout)
        self.decoder = nn.Linear(size, ntoken)

    def forward(self, x: Tensor, hidden: tuple[Tensor, Tensor] | None = None):
        y, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(y)).view(-1, self.decoder.out_features), hidden


class DictLanguageModel(nn.Module):
    """A dictionary of logits and a state whose sequences come first; the first state is learned."""

    def __init__(self, vocab_size: int, size: int = 6):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, size)
        self.cell = nn.GRUCell(size, size)
        self.first = nn.Parameter(torch.randn(size))
        self.head = nn.Linear(size, vocab_size)

    def forward(self, input_ids: Tensor, state: Tensor | None = None) -> dict[str, Tensor]:
        h = self.first.expand(len(input_ids), -1) if state is None else state
        outputs = []
        for x in self.embedding(input_ids).unbind(1):
            h = self.cell(x, h)
            outputs.append(h)
        return {"state": h, "logits": self.head(torch.stack(outputs, 1))}


class TransformerLanguageModel(nn.Module):
    """Causal by its mask, or not."""

    def __init__(self, vocabulary: int, size: int = 8, masked: bool = True):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.positions = nn.Embedding(200, size)
        layer = nn.TransformerEncoderLayer(size, 2, 2 * size, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(size, vocabulary)
        self.masked = masked

    def forward(self, tokens: Tensor) -> Tensor:
        T = tokens.shape[1]
        x = self.embedding(tokens) + self.positions(torch.arange(T))
        mask = torch.ones(T, T, dtype=torch.bool).triu(1) if self.masked else None
        return self.head(self.layers(x, mask))


class PackedClassifier(nn.Module):
    """Lengths, which `pack_padded_sequence` wants sorted; statistics of the batch in training."""

    def __init__(self, vocab: int, num_classes: int, size: int = 6):
        super().__init__()
        self.embedding = nn.Embedding(vocab, size)
        self.rnn = nn.LSTM(size, size, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * size, num_classes)

    def forward(self, texts: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embedding(texts), lengths, batch_first=True)
        y, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, padding_value=-1e9)
        return self.head(y.amax(1))


class MaskClassifier(nn.Module):
    """A mask of the tokens, and a mean over them."""

    def __init__(self, vocab: int, classes: int, size: int = 8):
        super().__init__()
        self.embedding = nn.Embedding(vocab, size)
        self.layers = nn.Sequential(nn.Linear(size, 2 * size), nn.Tanh(), nn.Linear(2 * size, classes))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        weight = mask.unsqueeze(2) / mask.sum(1, keepdim=True).unsqueeze(2)
        return self.layers((self.embedding(tokens) * weight).sum(1))


class LastStepClassifier(nn.Module):
    """Neither lengths nor a mask: the last step of a padded text is padding. Time first."""

    def __init__(self, input_size: int, output_size: int, hidden_size: int = 7):
        super().__init__()
        self.embedding = nn.Embedding(input_size, hidden_size)
        self.rnn = nn.GRU(hidden_size, hidden_size)
        self.head = nn.Linear(hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embedding(x))[0][-1])


class OneLogit(nn.Module):
    """One output for two classes, or for a number."""

    def __init__(self, vocab: int, size: int = 6):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab, size, mode="sum")
        self.head = nn.Linear(size, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens)).squeeze()


class Named(nn.Module):
    """Arguments and outputs whose names say nothing."""

    def __init__(self, a: int, b: int):
        super().__init__()
        self.embedding = nn.Embedding(a, b)
        self.head = nn.Linear(b, a)

    def forward(self, q: Tensor, n: Tensor) -> dict[str, Tensor]:
        y = torch.cumsum(self.embedding(q), 1)
        assert n.shape == (len(q),)
        return {"noise": torch.randn_like(self.head(y)), "z": self.head(y)}


class KeepsItsState(nn.Module):
    """Continues with the state of the last call, which nobody has asked for."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.inner = TimeFirstLanguageModel(vocabulary)
        self.hidden = None

    def forward(self, tokens: Tensor) -> Tensor:
        y, hidden = self.inner(tokens.t(), self.hidden if self._fits(tokens) else None)
        self.hidden = tuple(h.detach() for h in hidden)
        return y.view(tokens.shape[1], tokens.shape[0], -1).transpose(0, 1)

    def _fits(self, tokens: Tensor) -> bool:
        return self.hidden is not None and self.hidden[0].shape[1] == len(tokens)


class MixesRows(nn.Module):
    """Every sequence sees the mean of the batch, also in evaluation."""

    def __init__(self, vocabulary: int, size: int = 6):
        super().__init__()
        self.inner = GruLanguageModel(vocabulary, size)

    def forward(self, tokens: Tensor) -> Tensor:
        y = self.inner(tokens)
        return y + y.mean(0, keepdim=True)


class WrongShape(nn.Module):
    """Logits of the last step only."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.inner = GruLanguageModel(vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.inner(tokens)[:, -1]


def small_gru(vocabulary: int) -> nn.Module:
    return GruLanguageModel(vocabulary, 4)


def no_module(vocabulary: int) -> int:
    return vocabulary


def fails(vocabulary: int) -> nn.Module:
    return GruLanguageModel(vocabulary, -1)


class StartsAgain(nn.Module):
    """Takes a state, returns the right one, and ignores it."""

    def __init__(self, vocabulary: int, size: int = 6):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.rnn = nn.GRU(size, size, batch_first=True)
        self.head = nn.Linear(size, vocabulary)

    def forward(self, tokens: Tensor, hidden: Tensor | None = None):
        y, hidden = self.rnn(self.embedding(tokens))
        return self.head(y), hidden


class Unused(nn.Module):
    """A layer that no output depends on."""

    def __init__(self, vocabulary: int, size: int = 6):
        super().__init__()
        self.inner = GruLanguageModel(vocabulary, size)
        self.unused = nn.Linear(size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.inner(tokens)


class FewRows(nn.Module):
    """Knows the tokens of other data."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(3, 7)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)


a_module = nn.Embedding(7, 7)


class NoModule:
    """Takes what an optimizer does."""

    def __init__(self, params: object):
        self.params = params
