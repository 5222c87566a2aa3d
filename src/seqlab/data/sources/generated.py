"""What datasets of formal languages share: a language, sizes, and one random generator per split."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import Corpus
from seqlab.data.sources.seeded import SeededConfig, check_size
from seqlab.data.token_oracle import TokenOracle, foreign_tokens
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import Tokenizer, TokenizerConfig
from seqlab.languages.language import FormalLanguage
from seqlab.languages.legacy_checks import LEGACY_CHECKS
from seqlab.languages.length_bounded import LengthBounded
from seqlab.languages.length_table import length_table, possible_lengths
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


class GeneratedConfig(SeededConfig, ABC):
    """Seeded strings of a formal language; splits are drawn independently, so short strings recur."""

    version: ClassVar[int] = 2
    legacy_check: ClassVar[str | None] = None
    """A name in `LEGACY_CHECKS`: an older, less strict check of samples; None: there is none."""

    train: int = Field(default=140_000, ge=1)
    """Sequences of the training split."""
    valid: int = Field(default=5_000, ge=1)
    """Sequences of the validation split."""
    test: int = Field(default=5_000, ge=1)
    """Sequences of the test split."""
    seed: int = Field(default=0, ge=0)
    """Determines the sequences; the size of one split does not change those of another."""

    @abstractmethod
    def language(self) -> FormalLanguage[Any]:
        """The language that train, valid and test are drawn from; its tokens are those of the tokenizer."""

    def longer_language(self) -> FormalLanguage[Any] | None:
        """The language of the split `longer`: the same strings without a limit; None without that split."""
        return None

    @override
    def oracle(self, tokenizer: Tokenizer) -> TokenOracle | None:
        language, longer = self.language(), self.longer_language()
        if foreign_tokens(language, tokenizer):
            return None
        return TokenOracle(
            language,
            tokenizer,
            words=self.known_words(),
            legacy_check=LEGACY_CHECKS[self.legacy_check] if self.legacy_check else None,
            longer=None if longer is None else TokenOracle(longer, tokenizer),
        )

    def known_words(self) -> frozenset[str] | None:
        """The words that texts consist of; None if they have no words."""
        return None

    @override
    def subset_seed(self) -> int:
        return self.seed

    @override
    def read(self) -> Corpus:
        sizes = {"train": self.train, "valid": self.valid, "test": self.test}
        language = self.language()
        language.check_mean_tokens()
        for name, size in sizes.items():
            check_size(name, size, language.mean_tokens + 1)
        # One generator per split: with a common one, a larger `train` would change `valid` and `test`.
        texts = {
            name: language.draw(size, np.random.default_rng([self.seed, index]))
            for index, (name, size) in enumerate(sizes.items())
        }
        longer = self._longer(np.random.default_rng([self.seed, len(sizes)]))
        return Corpus({**texts, **longer}, drawn=True)

    def _longer(self, random: np.random.Generator) -> dict[str, list[str]]:
        """Splits in addition to the three."""
        return {}


class LimitedConfig(GeneratedConfig, ABC):
    """A language whose strings can be restricted to some lengths and remain exactly known."""

    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""
    max_length: int | None = Field(default=None, ge=1)
    """Maximum number of tokens of a sequence; the others keep their proportions; none: no limit."""
    longer_max_length: int | None = Field(default=None, ge=1)
    """Maximum number of tokens in the split `longer`, which tests length generalisation: all lengths above
    `max_length` are equally frequent in it; none: there is no such split."""
    longer: int = Field(default=2_000, ge=1)
    """Sequences of the split `longer`, if there is one."""

    @abstractmethod
    def unlimited(self) -> FormalLanguage[Any]:
        """The language of strings of any length."""

    @model_validator(mode="after")
    def _longer_exceeds_the_limit(self) -> LimitedConfig:
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
        return _limited(self)  # pyright: ignore[reportArgumentType] - pydantic hashes what is frozen

    @override
    def longer_language(self) -> FormalLanguage[Any] | None:
        return self.unlimited() if self.longer_max_length is not None else None

    @override
    def _longer(self, random: np.random.Generator) -> dict[str, list[str]]:
        if self.longer_max_length is None or self.max_length is None:
            return {}
        check_size("longer", self.longer, self.longer_max_length)
        languages = _of_each_length(self.unlimited(), self.max_length + 1, self.longer_max_length)
        if not languages:
            raise UserError(
                f"There must be strings of {self.max_length + 1} to {self.longer_max_length} tokens. "
                "Got none. Nearest: a larger 'longer_max_length'."
            )
        each, remainder = divmod(self.longer, len(languages))
        counts = [each + (index < remainder) for index in range(len(languages))]
        texts = [
            language.draw(count, random) for language, count in zip(languages, counts, strict=True) if count
        ]
        return {"longer": [text for part in texts for text in part]}


def _of_each_length(language: FormalLanguage[Any], least: int, most: int) -> list[LengthBounded]:
    """The strings of each length that occurs: balanced brackets, for example, have even lengths only."""
    possible = possible_lengths(language, language.start(), most)
    table = length_table(language, language.start(), most)
    return [
        LengthBounded(language, length, length, table)
        for length in range(least, most + 1)
        if possible[length]
    ]


@functools.lru_cache(maxsize=16)
def _limited(config: LimitedConfig) -> FormalLanguage[Any]:
    """The language of a config; cached, because the tables of a length limit take long to compute."""
    whole = config.unlimited()
    return whole if config.max_length is None else LengthBounded(whole, 0, config.max_length)
