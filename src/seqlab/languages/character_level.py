"""A language of words, read character by character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from seqlab.languages.context_free import ContextFree
from seqlab.languages.language import END, Entropy, FormalLanguage
from seqlab.languages.length_table import Floats

WordState = tuple[Any, str]
"""The state of the language of words before the current word, and the characters of that word so far."""


@dataclass(frozen=True)
class CharacterLevel(FormalLanguage[WordState]):
    """The strings of a language of words, with a space between words, as sequences of characters.

    >>> from seqlab.languages.context_free import ContextFree
    >>> from seqlab.languages.grammar import uniform_grammar
    >>> language = CharacterLevel(ContextFree(uniform_grammar({"s": ["a cat", "a cow", "a cow s"]})))
    >>> {letter: round(share, 3) for letter, share in language.next_token("a c").items()}
    {'a': 0.333, 'o': 0.667}
    >>> language.next_token("a cow")
    {' ': 0.5, '.end': 0.5}
    """

    length_follows_from: ClassVar[str] = ContextFree.length_follows_from
    words: ContextFree

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return tuple(sorted({" ", *"".join(self.words.alphabet)}))

    @override
    def split(self, text: str) -> list[str]:
        return list(text)

    @override
    def join(self, tokens: Sequence[str]) -> str:
        return "".join(tokens)

    @override
    def start(self) -> WordState:
        return self.words.start(), ""

    @override
    def distribution(self, state: WordState) -> dict[str, float]:
        # The probability of a character is that of all words that continue with it.
        before, letters = state
        found: dict[str, float] = {}
        for word, probability in self._next_words(before).items():
            if word == letters:
                ending = self.words.distribution(self.words.advance(before, word)).get(END, 0.0)
                for token, share in ((END, ending), (" ", 1 - ending)):
                    if share > 1e-15:  # 1 - ending is rarely exactly 0 where the string must end
                        found[token] = found.get(token, 0.0) + probability * share
            elif word.startswith(letters):
                token = word[len(letters)]
                found[token] = found.get(token, 0.0) + probability
        total = sum(found.values())
        return {token: probability / total for token, probability in sorted(found.items())}

    @override
    def advance(self, state: WordState, token: str) -> WordState:
        before, letters = state
        return (self.words.advance(before, letters), "") if token == " " else (before, letters + token)

    @override
    def depth(self, state: WordState) -> int | None:
        return self.words.depth(state[0])

    @override
    def entropy(self) -> Entropy:
        # Nats per string are those of the words.
        words = self.words.entropy()
        return Entropy(
            per_string=words.per_string,
            tokens=self.mean_tokens + 1,
            error=words.error,
            strings=words.strings,
        )

    @property
    @override
    def mean_tokens(self) -> float:
        # A space between words, so one less than words.
        return self.words.grammar.mean_sum(lambda word: len(word) + 1) - 1

    @override
    def remaining_lengths(self, state: WordState, limit: int) -> Floats:
        before, letters = state
        shares = {word: share for word, share in self._next_words(before).items() if word.startswith(letters)}
        rest = self.words.remaining_characters(limit)
        found = np.zeros(limit + 1)
        for word, share in shares.items():
            begin = len(word) - len(letters)
            if begin <= limit:
                after = rest.after(self.words.advance(before, word))
                found[begin:] += share * after[: limit + 1 - begin]
        return found / sum(shares.values())

    @override
    def _drawn(self, count: int, random: np.random.Generator) -> list[str]:
        return self.words.draw(count, random)

    def _next_words(self, before: Any) -> Mapping[str, float]:
        """Probabilities of the next word. After a space the string does not end, so `END` is left out."""
        return {word: share for word, share in self.words.distribution(before).items() if word != END}
