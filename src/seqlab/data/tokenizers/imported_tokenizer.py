"""A tokenizer of the user's own: a function that splits a text."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.tokenizers.tokenizer import (
    Spec,
    Tokenizer,
    TokenizerConfig,
    running_vocabulary,
    sequence_vocabulary,
    specials,
    vocabulary_from,
)
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.data.tokenizers.word_level import WordLevel, by_frequency
from seqlab.schema import own_code
from seqlab.schema.code_settings import CodeText, NamesCode
from seqlab.schema.errors import in_quotes, require_utf8
from seqlab.schema.own_arguments import call_arguments
from seqlab.schema.own_code import OwnCode, OwnCodeError

_TRIED = 20
"""Texts that are split twice."""


class ImportedTokenizerConfig(TokenizerConfig):
    """The tokens that a function splits a text into; most frequent first."""

    kind: Literal["import"] = "import"
    """Name of the tokenizer."""
    path: Annotated[CodeText, NamesCode()]
    """FILE.py:NAME of a function that is called with a text and returns the list of its tokens."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the function."""
    joiner: str = " "
    """What is written between tokens where a text is made of them."""
    max_size: int | None = Field(default=None, ge=5)
    """Maximum vocabulary size, including `.pad .start .end .unk`; none: no limit."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences in the training split that a token needs to be in the vocabulary."""

    @override
    def train(self, texts: Sequence[str], *, running: bool = False) -> Tokenizer:
        splitter, special = self._splitter(), specials(running=running)
        splitter.check(list(islice(texts, _TRIED)))
        words = by_frequency(texts, splitter.split, self.min_count, never=special)
        tokens = (*special, *words)[: self.max_size]
        vocabulary = running_vocabulary(tokens, "\n") if running else sequence_vocabulary(tokens)
        return _Imported(vocabulary, splitter, self.joiner)

    @override
    def restore(self, spec: Spec) -> Tokenizer:
        return _Imported(vocabulary_from(spec), self._splitter(), self.joiner)

    def _splitter(self) -> _Splitter:
        code = own_code.load(self.path)
        if isinstance(code.value, type):
            raise OwnCodeError(
                f"{code.label} must be a function that is called with a text. Got a class. Nearest: a "
                "function that makes an object of it and calls that."
            )
        arguments = call_arguments(code, self.arguments, key="data.tokenizer.arguments", first=("a text",))
        return _Splitter(code, arguments)


@dataclasses.dataclass(frozen=True)
class _Splitter:
    code: OwnCode
    arguments: dict[str, Any]

    def split(self, text: str) -> list[str]:
        """The tokens of a text.

        Raises:
            OwnCodeError: the function fails, or returns something else.
            UserError: a token is not UTF-8.
        """
        with self.code.errors("it split a text"):
            tokens = self.code.value(text, **self.arguments)
        if not isinstance(tokens, list):
            raise OwnCodeError(f"{self.code.label} must return a list of texts. Got {type(tokens).__name__}.")
        for token in tokens:
            if not isinstance(token, str):
                raise OwnCodeError(
                    f"{self.code.label} must return a list of texts. Got a list with {type(token).__name__}."
                )
            require_utf8(token, f"A token of {self.code.label}")
        # The function may change its own list in the next call.
        return list(tokens)

    def check(self, texts: Sequence[str]) -> None:
        """Split some texts twice.

        Raises:
            OwnCodeError: the tokens are not the same each time.
        """
        for text in texts:
            first, second = self.split(text), self.split(text)
            if first != second:
                raise OwnCodeError(
                    f"{self.code.label} must return the same tokens for a text each time. "
                    f"Got others the second time for {in_quotes(text)}."
                )


class _Imported(WordLevel):
    def __init__(self, vocabulary: Vocabulary, splitter: _Splitter, joiner: str):
        super().__init__(vocabulary)
        self._splitter, self._joiner = splitter, joiner

    @override
    def split(self, text: str) -> list[str]:
        return self._splitter.split(text)

    @override
    def decode(self, ids: Sequence[int]) -> str:
        special = self.vocabulary.special
        return self._joiner.join(self.vocabulary.names([i for i in ids if i not in special]))

    @override
    def spec(self) -> Spec:
        return {"kind": "import", "vocabulary": dataclasses.asdict(self.vocabulary)}
