"""Repeat a word after a gap."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.languages.copying import Copying
from seqlab.languages.language import FormalLanguage
from seqlab.schema.registry import ByKind


class CopyConfig(GeneratedConfig):
    """A word of random letters, `gap` blanks, a mark, and the word again.

    The copy problem of Arjovsky, Shah and Bengio, "Unitary Evolution Recurrent Neural Networks" (2016), as a
    language: the model's answer there is the text after the mark here, where each letter is certain. A model
    without memory has a loss of `length` ln `letters` nats per text above the floor.

    >>> CopyConfig(length=4, gap=3, train=2, valid=1, test=1).read().texts["train"]
    ['gfec___:gfec', 'caaa___:caaa']
    """

    description: ClassVar[str] = "A word of random letters, a gap, and the same word again."
    kind: Literal["copy"] = "copy"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""
    train: int = Field(default=20_000, ge=1)
    """Sequences of the training split."""
    valid: int = Field(default=1_000, ge=1)
    """Sequences of the validation split."""
    test: int = Field(default=1_000, ge=1)
    """Sequences of the test split."""
    letters: int = Field(default=8, ge=1, le=26)
    """Number of different letters."""
    length: int = Field(default=10, ge=1)
    """Number of letters of a word."""
    gap: int = Field(default=10, ge=0)
    """Number of blanks between a word and the mark."""

    @override
    def language(self) -> FormalLanguage[Any]:
        return Copying(self.letters, self.length, self.gap)
