"""A recurrent layer in one direction through the native library.

Legend: B batch size, T steps, E inputs, H units, G gates, V rows of an embedding table.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.data.sequences import length_mask
from seqlab.nn.cells import States, Weights
from seqlab.nn.embedding import Lookup, wrong_token
from seqlab.nn.native.binding import WRONG_TOKEN, Block, LayerArguments, Library, address, check

Hidden = Callable[[Tensor], None]
"""Receives dL/dh of every step in the backward pass, (B, T, H), zero at padding."""
CELLS: Mapping[str, int] = {
    "elman": 0,
    "elman-concat": 0,
    "elman-relu": 1,
    "gru-reset-before": 2,
    "gru": 3,
    "lstm": 4,
}
"""The values of `enum seqlab_cell`; a cell with one bias is that with two, without the second."""


@dataclass(frozen=True)
class _Call:
    """The arguments that a layer's forward and backward pass share; see `native_scan`.

    The number of threads is among them, because backward must use that of forward: see `seqlab::run`.
    """

    library: Library
    cell: str
    reverse: bool
    threads: int
    hidden: Hidden | None


def native_scan(  # noqa: PLR0917 (as every scan, after the library)
    library: Library,
    cell: str,
    x: Float[Tensor, "B T E"] | Lookup,
    lengths: Int[Tensor, " B"] | None,
    state: States,
    weights: Weights,
    *,
    reverse: bool = False,
    hidden: Hidden | None = None,
) -> tuple[Float[Tensor, "B T H"], States]:
    """Outputs, zero at padding, and the states after each sequence's last token; differentiable once.

    Args:
        library: the build to use.
        cell: one of `CELLS`.
        x: inputs, float32 on the CPU; tokens and their table where `reads_tokens` is true.
        lengths: tokens of each sequence, 0 to T; None is T for all.
        state: (h,) or (h, c) before the first token, (B, H) each.
        weights: of the layer.
        reverse: whether each sequence is read from its last token to its first; output t still belongs to
            token t.
        hidden: called in the backward pass with dL/dh_t of all steps, through the outputs and through every
            later step.

    Raises:
        UserError: a token is not an index of its table.
    """
    x, tokens = (x.table, x.tokens) if isinstance(x, Lookup) else (x, None)
    call = _Call(library, cell, reverse, torch.get_num_threads(), hidden)
    # Decided here: inside a Function's forward, gradients are always disabled.
    save = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *state, *weights) if t is not None)
    c0 = state[1] if len(state) > 1 else None
    y, *final = _Scan.apply(call, save, x, tokens, lengths, state[0], c0, *weights)  # type: ignore[misc]
    return y, tuple(final[: len(state)])


def reads_tokens(library: Library, cell: str, x: Lookup, h0: Float[Tensor, "B H"]) -> bool:
    """Whether the library can read a layer's inputs from their table, and is faster when it does."""
    B, T, E = x.shape
    sizes = {"B": B, "T": T, "E": E, "H": h0.shape[1], "V": x.table.shape[0]}
    arguments = LayerArguments(
        size=ctypes.sizeof(LayerArguments),
        cell=CELLS[cell],
        threads=torch.get_num_threads(),
        **sizes,
    )
    return x.tokens.dtype == torch.int64 and bool(library.calls.seqlab_reads_tokens(arguments))


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 (torch passes arguments by position)
        ctx: Any,
        call: _Call,
        save: bool,
        x: Tensor,
        tokens: Tensor | None,
        lengths: Tensor | None,
        h0: Tensor,
        c0: Tensor | None,
        *weights: Tensor | None,
    ) -> tuple[Tensor, ...]:
        # The library takes any strides of x but the last; everything else must be contiguous.
        x = x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()
        tokens = None if tokens is None else tokens.contiguous()
        h0, c0 = h0.contiguous(), None if c0 is None else c0.contiguous()
        lengths = None if lengths is None else lengths.contiguous()
        inputs = (x, tokens, lengths, h0, c0, *(None if w is None else w.contiguous() for w in weights))
        rows, steps = x.shape[:2] if tokens is None else tokens.shape
        y = x.new_empty(rows, steps, h0.shape[1])
        final = [torch.empty_like(state) for state in (h0, c0) if state is not None]
        ctx.block = _forward(call, inputs, y, final, save)
        ctx.call = call
        # Gradients of outputs that are not used then arrive as None, and no zeros are allocated for them.
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, y)
        return (y, *final)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        # Not `once_differentiable`: that would fail only when the second derivative is computed, and with a
        # message that names no remedy.
        if torch.is_grad_enabled():
            raise RuntimeError(
                "Native recurrent layers have first derivatives only. For a second one set "
                "SEQLAB_KERNELS=reference, or build the layer with implementation='equations'."
            )
        *inputs, y = ctx.saved_tensors
        # The library's backward pass overwrites what forward saved. For a second backward pass over the same
        # graph (retain_graph) forward is computed again, into outputs that nothing else reads.
        block, ctx.block = ctx.block, None
        if block is None:
            final = [torch.empty_like(state) for state in inputs[3:5] if state is not None]
            block = _forward(ctx.call, inputs, torch.empty_like(y), final, True)
        assert block is not None, "forward saves what backward needs"
        return (None, None, *_backward(ctx, inputs, y, gradients, block))


def _describe(call: _Call, inputs: Any, y: Tensor) -> LayerArguments:
    x, tokens, lengths, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh = inputs
    return LayerArguments(
        size=ctypes.sizeof(LayerArguments),
        cell=CELLS[call.cell],
        reverse=call.reverse,
        threads=call.threads,
        B=y.shape[0],
        T=y.shape[1],
        E=x.shape[-1],
        H=h0.shape[1],
        lengths=address(lengths),
        x=address(x),
        x_row=x.stride(0),
        # With tokens x is a table (V, E); the library then ignores x_step.
        x_step=x.stride(1),
        tokens=address(tokens),
        V=x.shape[0],
        weight_ih=address(weight_ih),
        weight_hh=address(weight_hh),
        bias_ih=address(bias_ih),
        bias_hh=address(bias_hh),
        h0=address(h0),
        c0=address(c0),
        y=address(y),
        y_row=y.stride(0),
        y_step=y.stride(1),
    )


def _forward(call: _Call, inputs: Any, y: Tensor, final: list[Tensor], save: bool) -> Block | None:
    """Write outputs and final states; returns what the backward pass needs besides them."""
    layer = _describe(call, inputs, y)
    block = Block(call.library, call.library.calls.seqlab_saved_floats(layer)) if save else None
    layer.saved = None if block is None else block.address
    layer.hn = address(final[0])
    layer.cn = address(final[1]) if len(final) > 1 else None
    _check(call.library.calls.seqlab_forward(layer), inputs)
    return block


def _check(status: int, inputs: Any) -> None:
    if status == WRONG_TOKEN:
        table, tokens, lengths = inputs[:3]
        read = tokens if lengths is None else tokens[length_mask(lengths, tokens.shape[1])]
        raise wrong_token(read, table)
    check(status)


def _backward(
    ctx: Any, inputs: Any, y: Tensor, gradients: tuple[Tensor | None, ...], block: Block
) -> list[Tensor | None]:
    """Gradients of the inputs, in their order; None for those that are not needed."""
    call: _Call = ctx.call
    layer = _describe(call, inputs, y)
    layer.saved = block.address
    dy = gradients[0]
    # Bound to a name, as `dy` below: the library gets addresses only, and a temporary copy would be freed.
    final = [None if gradient is None else gradient.contiguous() for gradient in gradients[1:]]
    if dy is not None:
        dy = dy if dy.stride(2) == 1 else dy.contiguous()
        layer.dy, layer.dy_row, layer.dy_step = address(dy), dy.stride(0), dy.stride(1)
    layer.dhn, layer.dcn = address(final[0]), address(final[1]) if len(final) > 1 else None
    # By the arguments of `forward` after `call` and `save`; tokens and lengths have no gradient.
    needed = (ctx.needs_input_grad[2], False, False, *ctx.needs_input_grad[5:])
    results = [
        torch.empty(tensor.shape, dtype=torch.float32) if need and tensor is not None else None
        for tensor, need in zip(inputs, needed, strict=True)
    ]
    dx, _, _, *others = results
    if dx is not None:
        layer.dx, layer.dx_row, layer.dx_step = address(dx), dx.stride(0), dx.stride(1)
    names = ("dh0", "dc0", "dweight_ih", "dweight_hh", "dbias_ih", "dbias_hh")
    for name, tensor in zip(names, others, strict=True):
        setattr(layer, name, address(tensor))
    dhidden = None if call.hidden is None else torch.empty(y.shape, dtype=torch.float32)
    layer.dhidden = address(dhidden)
    _check(call.library.calls.seqlab_backward(layer), inputs)
    if call.hidden is not None and dhidden is not None:
        call.hidden(dhidden)
    return results
