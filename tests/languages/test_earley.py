"""Earley's parser compared with sums over all derivations of each part of a string; its number of steps."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from seqlab.languages.context_free import ContextFree
from seqlab.languages.earley import Completions
from seqlab.languages.grammar import Grammar, Symbols
from seqlab.languages.language import END

WEIGHTED = {
    "right recursion": {"s": {"a s": 0.5, "b s": 0.2, "a": 0.1, "b": 0.2}},
    "through another name": {"s": {"a t": 0.6, "a": 0.4}, "t": {"b s": 0.7, "b": 0.3}},
    "through a name alone": {
        "s": {"a t": 0.7, "b": 0.3},
        "t": {"u": 0.6, "a": 0.4},
        "u": {"s": 0.8, "c": 0.2},
    },
    "several ways to the same end": {"s": {"a s": 0.3, "a t": 0.3, "a": 0.4}, "t": {"a s": 0.6, "a": 0.4}},
    "several ends": {
        "s": {"t": 0.4, "x t s": 0.2, "u": 0.4},
        "t": {"x u": 0.5, "x": 0.5},
        "u": {"x t": 0.3, "y t": 0.3, "y": 0.4},
    },
    "optional ends": {"s": {"t": 0.4, "t s": 0.6}, "t": {"a": 0.3, "a u": 0.7}, "u": {"b": 0.5, "b a": 0.5}},
    "an else for any if": {"s": {"i s": 0.3, "i s e s": 0.2, "x": 0.5}},
    "on the left and on the right": {
        "s": {"n v": 0.5, "n v n": 0.5},
        "n": {"d": 0.6, "n p": 0.4},
        "p": {"o n": 1.0},
        "v": {"w": 0.8, "v p": 0.2},
    },
    "in the middle": {"s": {"( s )": 0.2, "( s ) s": 0.2, "x": 0.6}},
}


def grammar(name: str) -> Grammar:
    return Grammar(
        {
            rule: tuple((tuple(written.split()), p) for written, p in choices.items())
            for rule, choices in WEIGHTED[name].items()
        }
    )


class Sums:
    """Probabilities of parts of a string, by adding up all rules and all ways to divide a part.

    inside: symbols derive words i to j. prefix: what symbols derive begins with all words from i.
    """

    def __init__(self, grammar: Grammar, words: list[str]):
        self.rules, self.words, self.names = grammar.rules, words, list(grammar.rules)
        self.inside = cache(self._inside)
        self.prefixes = cache(self._prefixes)

    def _inside(self, symbols: Symbols, i: int, j: int) -> float:
        if len(symbols) > j - i:
            return 0.0
        first, rest = symbols[0], symbols[1:]
        if rest:
            return sum(self.inside((first,), i, k) * self.inside(rest, k, j) for k in range(i + 1, j))
        if first in self.rules:
            return sum(p * self.inside(choice, i, j) for choice, p in self.rules[first])
        return float(self.words[i:j] == list(symbols))

    def prefix(self, symbols: Symbols, i: int) -> float:
        if i == len(self.words):
            return 1.0
        return self.longer(symbols, i) + self.first(symbols[0], i)

    def longer(self, symbols: Symbols, i: int) -> float:
        """The prefixes of which the first symbol derives only a part, and the other ones the rest."""
        if len(symbols) == 1:
            return 0.0
        parts = range(i + 1, len(self.words))
        return sum(self.inside(symbols[:1], i, k) * self.prefix(symbols[1:], k) for k in parts)

    def first(self, symbol: str, i: int) -> float:
        if symbol in self.rules:
            return float(self.prefixes(i)[self.names.index(symbol)])
        return float(self.words[i:] == [symbol])

    def _prefixes(self, i: int) -> np.ndarray:
        """Of each name; linear equations, because a name may be the first symbol of its own choices."""
        matrix, known = np.eye(len(self.names)), np.zeros(len(self.names))
        for row, name in enumerate(self.names):
            for symbols, p in self.rules[name]:
                known[row] += p * self.longer(symbols, i)
                if symbols[0] in self.rules:
                    matrix[row, self.names.index(symbols[0])] -= p
                else:
                    known[row] += p * self.first(symbols[0], i)
        return np.linalg.solve(matrix, known)


@pytest.mark.parametrize("name", list(WEIGHTED))
def test_next_words_have_the_probabilities_of_all_derivations(name: str) -> None:
    rules = grammar(name)
    language = ContextFree(rules)
    texts = [text for text in language.draw(300, np.random.default_rng(1)) if len(text.split()) <= 14]
    longest = sorted(set(texts), key=lambda text: (-len(text.split()), text))[:4]
    assert len(longest[0].split()) >= 5
    for text in longest:
        words = text.split()
        for end in range(len(words) + 1):
            before = Sums(rules, words[:end])
            whole = before.prefix((rules.start,), 0)
            expected = {END: before.inside((rules.start,), 0, end) / whole}
            for word in rules.words:
                expected[word] = Sums(rules, [*words[:end], word]).prefix((rules.start,), 0) / whole
            found = language.next_token(" ".join(words[:end]))
            assert dict(found) == pytest.approx({w: p for w, p in expected.items() if p > 0}, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_long_strings_of_automata(seed: int) -> None:
    """A grammar `name: word name | word` is a hidden Markov model; its forward algorithm gives the truth."""
    random = np.random.default_rng(seed)
    names, words = ["s", "t", "u"], ["a", "b"]
    # Of a name: the next word and name, the last column for the end.
    table = random.dirichlet(np.full(8, 0.7), size=3).reshape(3, 2, 4)
    table[:, :, 3] += 0.01
    table /= table.sum(axis=(1, 2), keepdims=True)
    rules = {
        name: tuple(
            ((word, *names[after : after + 1]), float(table[row, w, after]))
            for w, word in enumerate(words)
            for after in range(4)
        )
        for row, name in enumerate(names)
    }
    language = ContextFree(Grammar(rules))
    state, belief = language.start(), np.array([1.0, 0.0, 0.0, 0.0])  # the last one: at the end
    for position in range(400):
        expected = {word: float(belief[:3] @ table[:, w].sum(axis=1)) for w, word in enumerate(words)}
        if position:
            expected[END] = float(belief[3])
        assert language.distribution(state) == pytest.approx(expected, rel=1e-9)
        w = int(random.integers(2))
        belief = belief[:3] @ table[:, w] / expected[words[w]]
        state = language.advance(state, words[w])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("right recursion", ["a", "b"]),
        ("through another name", ["a", "b"]),
        ("through a name alone", ["a"]),
        ("several ways to the same end", ["a"]),
        ("several ends", ["x", "y"]),
        ("optional ends", ["a", "b"]),
        ("in the middle", ["(", "x", ")"]),
    ],
)
def test_the_steps_for_a_word_do_not_grow_with_the_words_before_it(
    name: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, add = [0], Completions.add

    def counted(self: Completions, *arguments) -> None:
        steps[0] += 1
        add(self, *arguments)

    monkeypatch.setattr(Completions, "add", counted)
    language, counts = ContextFree(grammar(name)), []
    state = language.start()
    for position in range(1_200):
        state = language.advance(state, words[position % len(words)])
        if (position + 1) % 300 == 0:
            counts.append(steps[0])
    assert counts[3] - counts[2] == counts[2] - counts[1]
    assert counts[3] <= 40 * 1_200
