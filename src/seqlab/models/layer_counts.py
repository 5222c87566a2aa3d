"""Where a model's parameters come from: each layer's count with its formula.

A formula is a sum of terms over the names of sizes; `x` multiplies. Tensors that were counted with an
earlier layer (tied weights) are not counted again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from seqlab.nn.attention import SelfAttention
from seqlab.nn.embedding import Embedding
from seqlab.nn.recurrent import RecurrentStack


@dataclass(frozen=True)
class LayerCount:
    """One layer's parameters: `formula` in names of sizes, `numbers` the same in numbers.

    tensors: shapes of what is counted here, by name in the model.
    tied: what the layer uses, too, but an earlier layer owns: own name -> the name it is counted under.
    """

    layer: str
    formula: str
    numbers: str
    parameters: int
    tensors: dict[str, tuple[int, ...]]
    tied: dict[str, str]


@dataclass(frozen=True)
class _Part:
    """Rows of the table a module gives: some of its tensors, each term counting the tensors it names."""

    name: str
    terms: Mapping[tuple[str, ...], str]
    sizes: Mapping[str, int]


def layer_counts(model: nn.Module) -> list[LayerCount]:
    """Every layer that has parameters, from the input's side to the output's.

    A module without a formula here is counted tensor by tensor, from the shapes.
    """
    owners: dict[int, str] = {}
    rows: list[LayerCount] = []
    for path, module in _modules(model, ""):
        for part in _parts(module):
            row = _row(path, module, part, owners)
            rows += [row] if row.tensors or row.tied else []
    return rows


def _modules(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """Modules with parameters of their own, in order; those with a formula are not taken apart."""
    if type(module) in FORMULAS or any(True for _ in module.parameters(recurse=False)):
        yield path, module
    for name, child in module.named_children():
        yield from _modules(child, f"{path}.{name}" if path else name)


def _parts(module: nn.Module) -> list[_Part]:
    describe = FORMULAS.get(type(module))
    return [_by_shape(module)] if describe is None else describe(module)


def _row(path: str, module: nn.Module, part: _Part, owners: dict[int, str]) -> LayerCount:
    own = dict(module.named_parameters(recurse=False))
    tensors: dict[str, tuple[int, ...]] = {}
    tied: dict[str, str] = {}
    terms: list[str] = []
    count = 0
    for names, term in part.terms.items():
        full = {name: f"{path}.{name}" if path else name for name in names if name in own}
        seen = {full[name]: owners[id(own[name])] for name in full if id(own[name]) in owners}
        tied |= seen
        new = [name for name in full if full[name] not in seen]
        assert not seen or not new, "the tensors of one term are tied together or not at all"
        terms += [term] if new else []
        for name in new:
            owners[id(own[name])] = full[name]
            tensors[full[name]] = tuple(own[name].shape)
            count += own[name].numel()
    formula = " + ".join(terms)
    return LayerCount(
        layer=" ".join(filter(None, (path or type(module).__name__, part.name))),
        formula=formula,
        numbers=_with_numbers(formula, part.sizes),
        parameters=count,
        tensors=tensors,
        tied=tied,
    )


def _with_numbers(formula: str, sizes: Mapping[str, int]) -> str:
    """Sizes for their names; a word that is none of them, such as `x`, stays.

    >>> _with_numbers("gates x units x (inputs + units)", {"gates": 4, "units": 1000, "inputs": 2})
    '4 x 1,000 x (2 + 1,000)'
    """
    return re.sub(
        r"[a-z_]+", lambda match: f"{sizes[match[0]]:,}" if match[0] in sizes else match[0], formula
    )


def _by_shape(module: nn.Module) -> _Part:
    shapes = {name: tuple(tensor.shape) for name, tensor in module.named_parameters(recurse=False)}
    terms = {(name,): " x ".join(f"{size:,}" for size in shape) or "1" for name, shape in shapes.items()}
    return _Part("", terms, {})


def _embedding(module: Embedding) -> list[_Part]:
    sizes = {"tokens": module.num_embeddings, "features": module.embedding_dim}
    return [_Part("", {("weight",): "tokens x features"}, sizes)]


def _linear(module: nn.Linear) -> list[_Part]:
    sizes = {"inputs": module.in_features, "outputs": module.out_features}
    return [_Part("", {("weight",): "inputs x outputs", ("bias",): "outputs"}, sizes)]


def _convolution(module: nn.Conv1d) -> list[_Part]:
    sizes = {"width": module.kernel_size[0], "inputs": module.in_channels, "filters": module.out_channels}
    return [_Part("", {("weight",): "width x inputs x filters", ("bias",): "filters"}, sizes)]


def _layer_norm(module: nn.LayerNorm) -> list[_Part]:
    # With a shape of one axis, as all norms here have.
    return [_Part("", {("weight",): "features", ("bias",): "features"}, {"features": module.weight.numel()})]


def _attention(module: SelfAttention) -> list[_Part]:
    """Queries, keys and values in one tensor; the output map is a layer of its own."""
    terms = {("in_proj_weight",): "3 x features x features", ("in_proj_bias",): "3 x features"}
    return [_Part("", terms, {"features": module.out_proj.in_features})]


def _recurrence(module: RecurrentStack) -> list[_Part]:
    """One part a layer and direction: weights of inputs and of the state before, biases, a learned start."""
    parts: list[_Part] = []
    for layer in range(module.layers):
        for suffix in module.suffixes:
            end = f"_l{layer}{suffix}"
            weights = (f"weight_ih{end}", f"weight_hh{end}")
            biases = (f"bias_ih{end}", f"bias_hh{end}")[: 1 + module.cell.two_biases]
            starts = tuple(f"start_{name}{end}" for name in module.cell.states)
            terms = {
                weights: "gates x units x (inputs + units)",
                biases: "2 x gates x units" if module.cell.two_biases else "gates x units",
            }
            if module.learned_start:
                terms[starts] = "states x units"
            sizes = {
                "states": len(starts),
                "gates": module.cell.gates,
                "units": module.hidden_size,
                "inputs": module.input_size if layer == 0 else module.output_size,
            }
            direction = " backward" if suffix else ""
            parts.append(_Part(f"layer {layer + 1}{direction}", terms, sizes))
    return parts


FORMULAS: Mapping[type[nn.Module], Callable[[Any], list[_Part]]] = {
    Embedding: _embedding,
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.LayerNorm: _layer_norm,
    SelfAttention: _attention,
    RecurrentStack: _recurrence,
}
"""How layers are counted; a new layer without an entry is counted by the shapes of its tensors."""
