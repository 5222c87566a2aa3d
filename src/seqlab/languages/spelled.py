"""A language of words, read letter by letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from seqlab.languages.language import END, Entropy, FormalLanguage

Place = tuple[Any, str]
"""The state of the words before the one at hand, and its letters so far."""


@dataclass(frozen=True)
class Spelled(FormalLanguage[Place]):
    """The strings of a language of words with blanks between them, letter by letter.

    >>> from seqlab.languages.context_free import ContextFree
    >>> from seqlab.languages.grammar import evenly
    >>> language = Spelled(ContextFree(evenly({"s": ["a cat", "a cow", "a cow s"]})))
    >>> {letter: round(chance, 3) for letter, chance in language.next_token("a c").items()}
    {'a': 0.333, 'o': 0.667}
    >>> language.next_token("a cow")
    {' ': 0.5, '.end': 0.5}
    """

    words: FormalLanguage[Any]

    @property
    @override
    def alphabet(self) -> tuple[str, ...]:
        return tuple(sorted({" ", *"".join(self.words.alphabet)}))

    @override
    def split(self, text: str) -> list[str]:
        return list(text)

    @override
    def join(self, tokens: Any) -> str:
        return "".join(tokens)

    @override
    def start(self) -> Place:
        return self.words.start(), ""

    def distribution(self, state: Place) -> dict[str, float]:
        """See `FormalLanguage`; the letters of a word are as likely as all words that go on so."""
        before, letters = state
        found: dict[str, float] = {}
        for word, chance in self._chances(before).items():
            if word == letters:
                ending = self.words.distribution(self.words.advance(before, word)).get(END, 0.0)
                for token, share in ((END, ending), (" ", 1 - ending)):
                    if share > 1e-15:
                        found[token] = found.get(token, 0.0) + chance * share
            elif word.startswith(letters):
                token = word[len(letters)]
                found[token] = found.get(token, 0.0) + chance
        total = sum(found.values())
        return {token: chance / total for token, chance in sorted(found.items())}

    @override
    def advance(self, state: Place, token: str) -> Place:
        before, letters = state
        return (self.words.advance(before, letters), "") if token == " " else (before, letters + token)

    @override
    def depth(self, state: Place) -> int | None:
        return self.words.depth(state[0])

    def entropy(self) -> Entropy:
        """The nats of the words; letters per string as a mean over many, where no closed form is known."""
        bare = self.words.entropy()
        texts = self.words.draw(20_000, np.random.default_rng(0))
        letters = sum(map(len, texts)) / len(texts)
        return Entropy(per_string=bare.per_string, tokens=letters + 1, error=bare.error, strings=bare.strings)

    @override
    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        return self.words.draw(count, random)

    def _chances(self, before: Any) -> Mapping[str, float]:
        """Of the next word; behind a blank the string does not end."""
        return {word: chance for word, chance in self.words.distribution(before).items() if word != END}
