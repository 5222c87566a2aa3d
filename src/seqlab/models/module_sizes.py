"""Sizes of a module that is given as it is: what its layers say of its vocabulary, features and padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from seqlab.models.module_roles import SIZES

VOCABULARY = 13
"""Token ids for a module that has no embedding to count."""


def vocabularies(module: nn.Module) -> list[int]:
    """Numbers of token ids that a module may accept, likely ones first."""
    tables = [
        each.num_embeddings for each in module.modules() if isinstance(each, nn.Embedding | nn.EmbeddingBag)
    ]
    named = [size for size in _named_sizes(module, SIZES["vocabulary"]) if size > 1]
    others = [p.shape[0] for p in module.parameters() if p.dim() == 2] if not tables else []
    return list(dict.fromkeys([*tables, *named, VOCABULARY, *others]))


def widths(module: nn.Module) -> list[int]:
    """Numbers of features for each step that a module may accept, likely ones first."""
    found = [width for each in module.modules() for width in _width(each)]
    return list(dict.fromkeys([*found, 1]))


def padding_id(module: nn.Module) -> int | None:
    """The id of padding that a module names; None where it names none."""
    embeddings = [each for each in module.modules() if isinstance(each, nn.Embedding | nn.EmbeddingBag)]
    named = [each.padding_idx for each in embeddings if each.padding_idx is not None]
    named += _named_sizes(module, (*SIZES["padding"], "pad", "pad_token", "src_pad_idx", "trg_pad_idx"))
    return next((id for id in named if id >= 0), None)


def used_sizes(module: nn.Module) -> set[int]:
    """Sizes of a module's axes, with which those of an example must not be confused."""
    sizes = {size for each in (*module.parameters(), *module.buffers()) for size in each.shape}
    for each in module.modules():
        sizes |= {value for value in vars(each).values() if isinstance(value, int)}
    return sizes


def sequence_layers(module: nn.Module) -> frozenset[str]:
    """The kinds of layers in a module that connect steps: recurrent, attention, convolution."""
    return frozenset(kind for each in module.modules() for kind in _kinds(each))


def _kinds(layer: nn.Module) -> Iterator[str]:
    name = type(layer).__name__.lower()
    if isinstance(layer, nn.RNNBase | nn.RNNCellBase) or any(key in name for key in ("lstm", "gru", "rnn")):
        yield "recurrent"
    if any(key in name for key in ("attention", "attn", "transformer")):
        yield "attention"
    kernel = getattr(layer, "kernel_size", ())
    if "conv" in name and isinstance(kernel, tuple) and any(size != 1 for size in kernel):
        yield "convolution"


def _named_sizes(module: nn.Module, names: tuple[str, ...]) -> list[int]:
    owners: list[Any] = [*module.modules()]
    owners += [value for each in module.modules() if (value := vars(each).get("config")) is not None]
    found = [getattr(owner, name, None) for name in names for owner in owners]
    return [value for value in found if isinstance(value, int) and not isinstance(value, bool)]


def _width(layer: nn.Module) -> Iterator[int]:
    for name in ("input_size", "in_features", "in_channels", "embed_dim", "num_features", "d_model"):
        value = getattr(layer, name, None)
        if isinstance(value, int) and value > 0:
            yield value
    shape = getattr(layer, "normalized_shape", None)
    if isinstance(shape, tuple) and shape:
        yield int(shape[-1])
