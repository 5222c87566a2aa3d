"""Tokens that are the bytes of UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from seqlab.data.tokenizers.spans import Span, byte_spans
from seqlab.data.tokenizers.tokenizer import (
    PAD,
    START,
    Encoded,
    Spec,
    Tokenizer,
    TokenizerConfig,
    offsets_of,
    running_vocabulary,
    sequence_vocabulary,
)
from seqlab.languages.language import END


class BytesConfig(TokenizerConfig):
    """The 256 bytes of UTF-8, ids 0 to 255; no text is unknown, and nothing is learned from the texts.

    >>> tokenizer = BytesConfig().train([], running=True)
    >>> tokenizer.encode("né"), tokenizer.decode([110, 195, 169])
    ([110, 195, 169], 'né')
    """

    kind: Literal["bytes"] = "bytes"
    """Name of the tokenizer."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        return _Bytes(running=running)

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        return _Bytes(running=spec["running"])


class _Bytes(Tokenizer):
    encodes_parts: ClassVar[bool] = True

    def __init__(self, *, running: bool):
        names = tuple(chr(byte) if 32 <= byte < 127 or byte == 10 else f"<{byte:02x}>" for byte in range(256))
        if running:
            self.vocabulary = running_vocabulary(names, "\n")
        else:
            # Special tokens come last, so that the id of a byte is the byte itself.
            self.vocabulary = sequence_vocabulary((*names, PAD, START, END))

    @override
    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        data = [text.encode("utf-8", "replace") for text in texts]
        tokens = np.frombuffer(b"".join(data), dtype=np.uint8).astype(np.int32)
        return Encoded(tokens, offsets_of(map(len, data)))

    @override
    def spans(self, text: str) -> list[Span]:
        return byte_spans(text)

    @override
    def decode(self, ids: Sequence[int]) -> str:
        # A model may generate bytes that are no UTF-8; they are shown as U+FFFD.
        return bytes(index for index in ids if index < 256).decode("utf-8", "replace")

    @override
    def spec(self) -> Spec:
        return {"kind": "bytes", "running": self.vocabulary.end is None}
