"""The embedded tokens of a module of one's own: read, and replaced by others.

Legend: B sequences, T tokens, E features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.schema.own_code import OwnCode, OwnCodeError

Hook = Callable[[Any, tuple[Any, ...], Tensor], Tensor | None]
"""Is called with a module, its arguments and its output; may return another output."""


class EmbeddingCalls:
    """The calls of every `torch.nn.Embedding` of a module, once `record` is a hook of them."""

    def __init__(self, code: OwnCode):
        self._code, self._calls = code, list[tuple[Any, Tensor, Tensor]]()

    def record(self, embedding: Any, arguments: tuple[Any, ...], output: Tensor) -> None:
        """Remember a call."""
        self._calls.append((embedding, arguments[0].long(), output))

    def embedding(self, tokens: Int[Tensor, "1 T"]) -> Any:
        """The embedding that read all of these tokens; see `_only`."""
        return self._only(tokens)[0]

    def vectors(self, tokens: Int[Tensor, "1 T"]) -> Float[Tensor, "1 T E"]:
        """What it made of them; see `_only`."""
        return self._only(tokens)[2].reshape(1, tokens.shape[1], -1)

    def _only(self, tokens: Int[Tensor, "1 T"]) -> tuple[Any, Tensor, Tensor]:
        """The only call with all of these tokens.

        Raises:
            OwnCodeError: there is no such call, or several.
        """
        found = [call for call in self._calls if torch.equal(call[1].flatten(), tokens.flatten())]
        if len(found) != 1:
            raise OwnCodeError(
                f"{self._code.label} must embed all tokens of a text by one call of a torch.nn.Embedding. "
                f"Got {len(found) or 'none'}."
            )
        return found[0]


class GivenRows:
    """Vectors that sequences of the same tokens get, one sequence after the other, by the hook `replace`.

    A module may read the sequences in several calls, each with its time first or last.
    """

    def __init__(self, code: OwnCode, tokens: Int[Tensor, " T"], vectors: Float[Tensor, "B T E"]):
        self._code, self._tokens, self._vectors, self._done = code, tokens, vectors, 0

    def replace(self, embedding: Any, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        """The vectors of the next sequences.

        Raises:
            OwnCodeError: these are no sequences of the tokens, or too many.
        """
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


def embeddings(module: nn.Module) -> list[nn.Module]:
    """The modules in it that look up tokens in a table."""
    return [each for each in module.modules() if isinstance(each, nn.Embedding)]


@contextmanager
def hooked(modules: Iterable[nn.Module], hook: Hook) -> Iterator[None]:
    """Call a hook after each forward pass of some modules, inside the block."""
    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(hook).remove)
        yield
