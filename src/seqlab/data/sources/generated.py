"""What generated datasets share: a formal language, sizes, and one generator of random numbers a split."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import Corpus
from seqlab.data.sources.seeded import SeededConfig
from seqlab.data.token_oracle import TokenOracle, foreign_tokens
from seqlab.data.tokenizers.tokenizer import CharactersConfig, Tokenizer, TokenizerConfig
from seqlab.languages.between import Between
from seqlab.languages.language import FormalLanguage
from seqlab.languages.legacy_checks import LEGACY_CHECKS
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


class GeneratedConfig(SeededConfig, ABC):
    """Seeded strings of a formal language; splits are drawn independently, so short strings repeat."""

    version: ClassVar[int] = 2
    """See `SeededConfig`."""
    legacy_check: ClassVar[str | None] = None
    """The courses' own check of samples, one of `LEGACY_CHECKS`; none where they had none."""

    train: int = Field(default=140_000, ge=1)
    """Sequences of the training split."""
    valid: int = Field(default=5_000, ge=1)
    """Sequences of the validation split."""
    test: int = Field(default=5_000, ge=1)
    """Sequences of the test split."""
    seed: int = Field(default=0, ge=0)
    """Fixes the sequences; the size of one split does not change those of another."""

    @abstractmethod
    def language(self) -> FormalLanguage[Any]:
        """What train, valid and test are drawn from; its tokens are those of the tokenizer."""

    def longer_source(self) -> FormalLanguage[Any] | None:
        """What the split `longer` is of: the same strings without a limit; None without such a split."""
        return None

    @override
    def oracle(self, tokenizer: Tokenizer) -> TokenOracle | None:
        language, longer = self.language(), self.longer_source()
        if foreign_tokens(language, tokenizer):
            return None
        return TokenOracle(
            language,
            tokenizer,
            words=self.words_known(),
            legacy_check=LEGACY_CHECKS[self.legacy_check] if self.legacy_check else None,
            longer=None if longer is None else TokenOracle(longer, tokenizer),
        )

    def words_known(self) -> frozenset[str] | None:
        """The words that texts are made of; None where they have no words."""
        return None

    def read(self) -> Corpus:
        """Draw every split; see `DatasetConfig.read`."""
        sizes = {"train": self.train, "valid": self.valid, "test": self.test}
        language = self.language()
        texts = {
            name: language.draw(size, np.random.default_rng([self.seed, index]))
            for index, (name, size) in enumerate(sizes.items())
        }
        return Corpus({**texts, **self._longer(np.random.default_rng([self.seed, len(sizes)]))})

    def _longer(self, random: np.random.Generator) -> dict[str, list[str]]:
        """Splits beyond the three."""
        return {}


class LimitedConfig(GeneratedConfig, ABC):
    """A language whose strings can be kept to some lengths and stay exactly known."""

    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""
    max_length: int | None = Field(default=None, ge=1)
    """Tokens of a sequence at most, longer ones being drawn again; none: no limit."""
    longer_max_length: int | None = Field(default=None, ge=1)
    """Tokens of the longest sequence of the split `longer`, which has all lengths above `max_length` equally
    often; none: there is no such split."""
    longer: int = Field(default=2_000, ge=1)
    """Sequences of the split `longer`, where there is one."""

    @abstractmethod
    def unlimited(self) -> FormalLanguage[Any]:
        """The language of strings of any length."""

    @model_validator(mode="after")
    def _longer_is_beyond(self) -> LimitedConfig:
        if self.longer_max_length is not None and (
            self.max_length is None or self.longer_max_length <= self.max_length
        ):
            raise UserError(
                f"'longer_max_length' must be above 'max_length', {self.max_length}. "
                f"Got {self.longer_max_length}."
            )
        return self

    @override
    def language(self) -> FormalLanguage[Any]:
        return _kept(self)  # pyright: ignore[reportArgumentType] - pydantic hashes what is frozen

    @override
    def longer_source(self) -> FormalLanguage[Any] | None:
        return self.unlimited() if self.longer_max_length is not None else None

    def _longer(self, random: np.random.Generator) -> dict[str, list[str]]:
        """The split `longer`: each length that strings have beyond the limit, as often as each other."""
        if self.longer_max_length is None or self.max_length is None:
            return {}
        lengths = range(self.max_length + 1, self.longer_max_length + 1)
        languages = [
            found for length in lengths if (found := _of_length(self.unlimited(), length)) is not None
        ]
        if not languages:
            raise UserError(
                f"There must be strings of {self.max_length + 1} to {self.longer_max_length} tokens. "
                "Got none. Nearest: a larger 'longer_max_length'."
            )
        each, more = divmod(self.longer, len(languages))
        counts = [each + (place < more) for place in range(len(languages))]
        texts = [one.draw(count, random) for one, count in zip(languages, counts, strict=True) if count]
        return {"longer": [text for some in texts for text in some]}


def _of_length(language: FormalLanguage[Any], length: int) -> FormalLanguage[Any] | None:
    """The strings of one length; None where there are none."""
    try:
        return Between(language, length, length)
    except UserError:
        return None


@functools.lru_cache(maxsize=16)
def _kept(config: LimitedConfig) -> FormalLanguage[Any]:
    """The language of a config, whose tables are made once."""
    whole = config.unlimited()
    return whole if config.max_length is None else Between(whole, 0, config.max_length)
