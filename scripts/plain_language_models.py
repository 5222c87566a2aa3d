"""Language models and their training in plain PyTorch, without seqlab, to compare recipes of seqlab with.

Legend: B rows, T steps, H units. Settings are the full keys of a recipe, such as "model.hidden_size"; weights
have the names that seqlab gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Settings = Mapping[str, Any]
Weights = Mapping[str, Tensor]


class Masks:
    """Dropout whose masks come from one generator, in the order in which they are needed."""

    def __init__(self, generator: torch.Generator):
        self._generator = generator

    def __call__(self, x: Tensor, p: float) -> Tensor:
        """A share p of the numbers set to zero, the others divided by 1 - p."""
        if p == 0:
            return x
        return x * (torch.rand(x.shape, generator=self._generator) >= p) / (1 - p)


class GruResetBefore(nn.Module):
    """One layer: r, z = s(W x + U h + b), n = tanh(W x + U (r * h) + b), h' = (1 - z) * h + z * n."""

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * units, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * units, units))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * units))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (B, T, H) and the last state (1, B, H), as torch's layers give them."""
        u_r, u_z, u_n = self.weight_hh_l0.chunk(3)
        h, outputs = h[0], []
        for x_t in functional.linear(x, self.weight_ih_l0, self.bias_ih_l0).unbind(1):
            a_r, a_z, a_n = x_t.chunk(3, dim=1)
            r, z = torch.sigmoid(a_r + h @ u_r.T), torch.sigmoid(a_z + h @ u_z.T)
            n = torch.tanh(a_n + (r * h) @ u_n.T)
            h = (1 - z) * h + z * n
            outputs.append(h)
        return torch.stack(outputs, 1), h[None]


class PlainRecurrentModel(nn.Module):
    """embedding -> dropout -> layers with dropout between them -> dropout -> linear."""

    def __init__(self, settings: Settings, weights: Weights, masks: Masks):
        super().__init__()
        embedding, units = settings["model.embedding_size"], settings["model.hidden_size"]
        self.embedding = nn.Embedding.from_pretrained(weights["embedding.weight"].clone(), freeze=False)
        sizes = [embedding] + [units] * (settings["model.layers"] - 1)
        self.layers = nn.ModuleList(self._layer(settings["model.cell"], size, units) for size in sizes)
        self.head = nn.Linear(units, len(weights["head.bias"]))
        self.load_state_dict({_as_plain(name): tensor for name, tensor in weights.items()})
        self._p, self._masks, self._units = settings["model.dropout"], masks, units

    def forward(self, tokens: Tensor, state: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Logits, and the last state of each layer."""
        state = state or [torch.zeros(1, len(tokens), self._units) for _ in self.layers]
        x, after = self.embedding(tokens), []
        for layer, h in zip(self.layers, state, strict=True):
            x, h_T = layer(self._masks(x, self._p), h)
            after.append(h_T.detach())
        return self.head(self._masks(x, self._p)), after

    def _layer(self, cell: str, inputs: int, units: int) -> nn.Module:
        return {"elman": lambda: nn.RNN(inputs, units, batch_first=True)}.get(
            cell, lambda: GruResetBefore(inputs, units)
        )()


def _as_plain(name: str) -> str:
    """The name of a weight where each layer is a module: body.weight_ih_l1 -> layers.1.weight_ih_l0."""
    if not name.startswith("body."):
        return name
    kind, _, layer = name.removeprefix("body.").rpartition("_l")
    return f"layers.{layer}.{kind}_l0"


class PlainTransformerLayer(nn.Module):
    """a = x + dropout(attention(norm(x))), y = a + dropout(W dropout(relu(W a + b)) + b), a normed first."""

    def __init__(self, size: int, inner: int):
        super().__init__()
        self.joint, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.linear1, self.linear2 = nn.Linear(size, inner), nn.Linear(inner, size)
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)

    def forward(self, x: Tensor, heads: int, drop: tuple[float, float], masks: Masks) -> Tensor:
        """Of the shape of x; `drop` is the dropout of branches and of attention weights."""
        B, T, H = x.shape
        q, k, v = (
            part.view(B, T, heads, H // heads).transpose(1, 2)
            for part in self.joint(self.norm1(x)).chunk(3, dim=2)
        )
        scores = q @ k.transpose(2, 3) / math.sqrt(H // heads)
        later = torch.ones(T, T, dtype=torch.bool).triu(1)
        attention = masks(scores.masked_fill(later, -math.inf).softmax(3), drop[1])
        x = x + masks(self.out((attention @ v).transpose(1, 2).reshape(B, T, H)), drop[0])
        inner = masks(torch.relu(self.linear1(self.norm2(x))), drop[0])
        return x + masks(self.linear2(inner), drop[0])


class PlainTransformerModel(nn.Module):
    """embedding * sqrt(H) + sinusoids -> dropout -> layers -> norm -> linear; windows begin from scratch."""

    def __init__(self, settings: Settings, weights: Weights, masks: Masks):
        super().__init__()
        size, self._heads = settings["model.hidden_size"], settings["model.heads"]
        self.embedding = nn.Embedding.from_pretrained(weights["embedding.weight"].clone(), freeze=False)
        inner, layers = settings["model.feed_forward_size"], range(settings["model.layers"])
        self.layers = nn.ModuleList(PlainTransformerLayer(size, inner) for _ in layers)
        self.norm, self.head = nn.LayerNorm(size), nn.Linear(size, len(weights["head.bias"]))
        renamed = {"self_attn.in_proj_": "joint.", "self_attn.out_proj.": "out.", "body.": ""}
        for there, own in renamed.items():
            weights = {name.replace(there, own): tensor for name, tensor in weights.items()}
        self.load_state_dict(dict(weights))
        self._drop, self._masks = (settings["model.dropout"], settings["model.attention_dropout"]), masks

    def forward(self, tokens: Tensor, state: None) -> tuple[Tensor, None]:
        """Logits, and no state."""
        x = self.embedding(tokens)
        steps, features = torch.arange(x.shape[1]).unsqueeze(1), torch.arange(0, x.shape[2], 2)
        angles = steps / 10000 ** (features / x.shape[2])
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, : x.shape[2]]
        x = self._masks(x * math.sqrt(x.shape[2]) + waves, self._drop[0])
        for layer in self.layers:
            x = layer(x, self._heads, self._drop, self._masks)
        return self.head(self.norm(x)), None


MODELS = {"recurrent-lm": PlainRecurrentModel, "transformer-lm": PlainTransformerModel}
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def windows(text: Tensor, rows: int, length: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets (rows, length) of one pass over a text, whose first token is no target.

    Rows are parts of the text; where their lengths differ by one token, the longer ones lose it.
    """
    tokens = len(text) - 1
    begins = [tokens * row // rows for row in range(rows)]
    for begin in range(0, tokens // rows, length):
        end = min(begin + length, tokens // rows)
        yield (
            torch.stack([text[row + begin : row + end] for row in begins]),
            torch.stack([text[row + begin + 1 : row + end + 1] for row in begins]),
        )


def train(
    settings: Settings, weights: Weights, text: Tensor, masks: torch.Generator, steps: int
) -> Iterator[float]:
    """The mean loss of each training step, in nats per token.

    Args:
        settings: of the recipe, by full keys.
        weights: that training starts from.
        text: the tokens of the training text, after the token that precedes the first one.
        masks: source of the dropout masks.
        steps: how many.
    """
    model = MODELS[settings["model.kind"]](settings, weights, Masks(masks))
    rate, kind = settings["training.optimizer.learning_rate"], settings["training.optimizer.kind"]
    optimizer = OPTIMIZERS[kind](model.parameters(), lr=rate)
    falls = settings["training.schedule.kind"] == "epoch-decay"
    divisor = settings["training.schedule.divisor"] if falls else 1.0
    done = epoch = 0
    while done < steps:
        state = None
        optimizer.param_groups[0]["lr"] = rate / divisor**epoch
        cut = windows(text, settings["batching.batch_size"], settings["batching.sequence_length"])
        for inputs, targets in cut:
            logits, state = model(inputs, state)
            loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings["training.clip_norm"])
            optimizer.step()
            yield loss.item()
            done += 1
            if done == steps:
                return
        epoch += 1
