"""The embedded tokens of a module of one's own: read, and replaced by others. Legend: B, T, E as usual."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.schema.own_code import OwnCode, OwnCodeError


class _Hooked:
    """Forward hooks on embeddings for the time of a block."""

    def __init__(self, embeddings: list[nn.Embedding]):
        self._embeddings, self._hooks = embeddings, list[torch.utils.hooks.RemovableHandle]()

    def __enter__(self) -> Self:
        self._hooks = [embedding.register_forward_hook(self._called) for embedding in self._embeddings]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def _called(self, embedding: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor | None:
        raise NotImplementedError


class EmbeddingCalls(_Hooked):
    """The calls of every `torch.nn.Embedding` of a module, inside the block."""

    def __init__(self, module: nn.Module):
        super().__init__([each for each in module.modules() if isinstance(each, nn.Embedding)])
        self._calls: list[tuple[nn.Embedding, Tensor, Tensor]] = []

    def _called(self, embedding: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        assert isinstance(embedding, nn.Embedding)
        self._calls.append((embedding, arguments[0].long(), output))

    def embedding(self, code: OwnCode, tokens: Int[Tensor, "1 T"]) -> nn.Embedding:
        """The one that embedded the tokens of a sequence; see `_only`."""
        return self._only(code, tokens)[0]

    def vectors(self, code: OwnCode, tokens: Int[Tensor, "1 T"]) -> Float[Tensor, "1 T E"]:
        """What it made of them; see `_only`."""
        return self._only(code, tokens)[2].reshape(1, tokens.shape[1], -1)

    def _only(self, code: OwnCode, tokens: Int[Tensor, "1 T"]) -> tuple[nn.Embedding, Tensor, Tensor]:
        """The only call with all of these tokens.

        Raises:
            OwnCodeError: there is no such call, or several.
        """
        found = [call for call in self._calls if torch.equal(call[1].flatten(), tokens.flatten())]
        if len(found) != 1:
            raise OwnCodeError(
                f"{code.label} must embed all tokens of a text by one call of a torch.nn.Embedding. "
                f"Got {len(found) or 'none'}."
            )
        return found[0]


class GivenRows(_Hooked):
    """Inside the block an embedding gives sequences of the same tokens (T,) these vectors, one by one.

    A module may read the sequences in several calls, each with its time first or last.
    """

    def __init__(
        self,
        code: OwnCode,
        embedding: nn.Embedding,
        tokens: Int[Tensor, " T"],
        vectors: Float[Tensor, "B T E"],
    ):
        super().__init__([embedding])
        self._code, self._tokens, self._vectors, self._done = code, tokens, vectors, 0

    def _called(self, embedding: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        T, ids = len(self._tokens), arguments[0].long()
        rows = ids.numel() // T
        begin, self._done = self._done, self._done + rows
        vectors = self._vectors[begin : self._done]
        expected = self._tokens.expand(rows, T)
        if len(vectors) == rows and torch.equal(ids.reshape(-1, T), expected):
            return vectors.reshape(output.shape)
        if len(vectors) == rows and torch.equal(ids, expected.t()):
            return vectors.transpose(0, 1)
        raise OwnCodeError(
            f"{self._code.label} must embed the tokens of each text once, one text after the other. "
            f"Got token ids of shape {tuple(ids.shape)} for {len(self._vectors)} texts of {T} tokens."
        )
