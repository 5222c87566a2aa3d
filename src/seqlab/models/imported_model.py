"""A model around any module. Legend: B sequences, T steps, V outputs, P tokens of a prefix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded, length_mask
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.module_probe import Adapter
from seqlab.models.module_vectors import EmbeddingCalls, GivenRows, embeddings, hooked
from seqlab.nn.layer import LayerGroup

_PREFIX, _LENGTH, _BEGUN = "prefix", "prefix_length", "begun"


class ImportedModel(SequenceModel):
    """A module of any form as a `SequenceModel`; its logits are the features, and there is no further head.

    The state of a language model is that of the module, with the tokens that were read since as a prefix:
    tokens of unequal lengths, and all tokens where the module has no state of its own. A prefix is read
    again with the next tokens, which is exact.

    Args:
        module: the user's.
        adapter: how it is called; None for a module without memory, which can only be counted.
        causal: whether it is a language model.
    """

    def __init__(self, module: nn.Module, adapter: Adapter | None, *, causal: bool):
        super().__init__()
        self.module = module
        self.head = nn.Identity()
        self.capabilities = Capabilities(causal=causal)
        if adapter is not None:
            self._adapter, self.notes = adapter, adapter.notes
            self.capabilities = Capabilities(causal=causal, carries_state=adapter.state is not None)

    @override
    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, State | None]:
        tokens, lengths = batch.inputs.tokens, batch.inputs.lengths
        if not self.capabilities.causal:
            assert state is None, "a classifier reads whole sequences"
            return self._read(tokens, lengths, None)[0], None
        state = self.start(len(batch)) if state is None else state
        before = state.tensors[_LENGTH]
        whole, total = _joined(state.tensors[_PREFIX], before, tokens, lengths)
        logits, new = self._read(whole, total, state)
        steps = before.unsqueeze(1) + torch.arange(tokens.shape[1], device=tokens.device)
        rows = torch.arange(len(tokens), device=tokens.device).unsqueeze(1)
        after = state.tensors | {_PREFIX: whole, _LENGTH: total} if new is None else new
        return logits[rows, steps.clamp(max=max(0, logits.shape[1] - 1))], State(after)

    @override
    def token_vectors(self, batch: Batch) -> Tensor:
        return self._embedding_calls(batch).vectors(batch.inputs.tokens)

    @override
    def from_vectors(self, batch: Batch, vectors: Tensor) -> Tensor:
        first = batch.select(torch.zeros(1, dtype=torch.long, device=vectors.device))
        with torch.no_grad():
            embedding = self._embedding_calls(first).embedding(first.inputs.tokens)
        given = GivenRows(self._adapter.call.code, first.inputs.tokens[0], vectors)
        with hooked([embedding], given.replace):
            return self(batch)[0]

    def _embedding_calls(self, batch: Batch) -> EmbeddingCalls:
        """What the embeddings of the module do with a batch."""
        calls = EmbeddingCalls(self._adapter.call.code)
        with hooked(embeddings(self.module), calls.record):
            self(batch)
        return calls

    @override
    def layer_groups(self) -> list[LayerGroup]:
        """Its parts at the top level, from the last one to the first, as they are in most modules.

        Nothing tells where parameters of the module itself act, so they are with the last part.
        """
        parts = [LayerGroup.of(name, part) for name, part in self.module.named_children()]
        top = parts.pop() if parts else LayerGroup(type(self.module).__name__, ())
        own = tuple(self.module.parameters(recurse=False))
        return [LayerGroup(top.name, top.parameters + own), *reversed(parts)]

    @override
    def start(self, batch_size: int, source: Padded | None = None) -> State:
        if not self.capabilities.causal:
            return super().start(batch_size, source)
        assert source is None, "an imported model reads no source"
        weight = next(self.parameters())
        shapes = () if self._adapter.state is None else self._adapter.state.shapes
        return State(
            {
                **{_name(i): weight.new_zeros(batch_size, *shape) for i, shape in enumerate(shapes)},
                # Before the first token the module makes its own state.
                _BEGUN: torch.zeros(batch_size, dtype=torch.bool, device=weight.device),
                **self._no_prefix(batch_size, weight.device),
            }
        )

    def _no_prefix(self, rows: int, device: torch.device) -> dict[str, Tensor]:
        return {
            _PREFIX: torch.zeros(rows, 0, dtype=torch.long, device=device),
            _LENGTH: torch.zeros(rows, dtype=torch.long, device=device),
        }

    def _read(
        self, tokens: Int[Tensor, "B P"], lengths: Int[Tensor, " B"], state: State | None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Logits, and the new state where the module has one that is right for every sequence."""
        groups = self._groups(lengths)
        if len(groups) == 1:
            return self._read_together(tokens, lengths, state)
        parts = [
            self._read_together(tokens[rows], lengths[rows], None if state is None else state.select(rows))[0]
            for rows in groups
        ]
        order = torch.cat(list(groups)).argsort()
        return torch.cat(parts)[order], None

    def _without_padding(self, tokens: Int[Tensor, "B P"], lengths: Int[Tensor, " B"]) -> Int[Tensor, "B S"]:
        """The tokens up to the end of the longest sequence, the same id after the end of each other one."""
        if self._adapter.padding is None:
            return tokens
        longest = max(1, int(lengths.max())) if len(lengths) else 1
        inputs = functional.pad(tokens, (0, max(0, longest - tokens.shape[1])))[:, :longest]
        return inputs.masked_fill(~length_mask(lengths, longest), self._adapter.padding)

    def _groups(self, lengths: Int[Tensor, " B"]) -> Sequence[Tensor]:
        """The sequences that the module reads together."""
        rows = torch.arange(len(lengths), device=lengths.device)
        if self._adapter.alone and not self.training and len(rows) > 1:
            return rows.split(1)
        if self._adapter.equal_lengths and len(rows) > 1:
            return [rows[lengths == length] for length in lengths.unique()]
        return [rows]

    def _read_together(
        self, tokens: Int[Tensor, "B P"], lengths: Int[Tensor, " B"], state: State | None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        call, form = self._adapter.call, self._adapter.state
        inputs, steps = self._without_padding(tokens, lengths), tokens.shape[1]
        longest = inputs.shape[1]
        before = None
        if form is not None and state is not None and bool(state.tensors[_BEGUN].all()) and len(lengths):
            before = form.nested([state.tensors[_name(i)] for i in range(len(form.shapes))])
        logits, output = call(self.module, inputs, lengths, before)
        if call.per_token:
            logits = functional.pad(logits, (0, 0, 0, max(0, steps - longest)))
        if form is None or state is None or not bool((lengths == longest).all()):
            return logits, None
        tensors = {_name(i): tensor for i, tensor in enumerate(form.flat(form.find(output)))}
        begun = {_BEGUN: torch.ones_like(state.tensors[_BEGUN])}
        return logits, {**tensors, **begun, **self._no_prefix(len(tokens), tokens.device)}


def _name(index: int) -> str:
    return f"state.{index}"


def _joined(
    prefix: Int[Tensor, "B P"],
    before: Int[Tensor, " B"],
    tokens: Int[Tensor, "B T"],
    lengths: Int[Tensor, " B"],
) -> tuple[Int[Tensor, "B S"], Int[Tensor, " B"]]:
    """Each sequence's prefix followed by its tokens, and the number of both."""
    if not prefix.shape[1]:
        return tokens, lengths
    total = before + lengths
    both = torch.cat([prefix, tokens], dim=1)
    steps = torch.arange(prefix.shape[1] + tokens.shape[1], device=tokens.device)
    # Padding between prefix and tokens is skipped.
    index = torch.where(steps < before.unsqueeze(1), steps, steps + (prefix.shape[1] - before).unsqueeze(1))
    joined = both.gather(1, index.clamp(max=both.shape[1] - 1))
    return joined, total
