"""Formal languages with independent rules for membership, and small grammars with all their derivations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from seqlab.languages.copying import Copying
from seqlab.languages.counting import Counting
from seqlab.languages.dyck import Dyck
from seqlab.languages.expression import automaton
from seqlab.languages.language import FormalLanguage
from seqlab.languages.regular import ndfa, parity, tomita

Member = Callable[[str], bool]
PAIRS = ("()", "[]", "{}", "<>")


def balanced(text: str) -> bool:
    """One pair around brackets that cancel out."""
    inner = text[1:-1]
    while any(pair in inner for pair in PAIRS):
        for pair in PAIRS:
            inner = inner.replace(pair, "")
    return len(text) > 1 and text[0] + text[-1] in PAIRS and not inner


def deep(text: str) -> int:
    return max(itertools.accumulate(1 if bracket in "([{<" else -1 for bracket in text), default=0)


def odd_zeros_after_odd_ones(text: str) -> bool:
    runs = [(bit, len(list(run))) for bit, run in itertools.groupby(text)]
    return any(a == "1" and n % 2 and m % 2 for (a, n), (_, m) in itertools.pairwise(runs))


TOMITA: dict[int, Member] = {
    1: lambda text: re.fullmatch("1*", text) is not None,
    2: lambda text: re.fullmatch("(10)*", text) is not None,
    3: lambda text: not odd_zeros_after_odd_ones(text),
    4: lambda text: "000" not in text,
    5: lambda text: text.count("0") % 2 == 0 and text.count("1") % 2 == 0,
    6: lambda text: (text.count("0") - text.count("1")) % 3 == 0,
    7: lambda text: re.fullmatch("0*1*0*1*", text) is not None,
}
EXPRESSIONS = ["(ab|c)+", "a{2,3}b?", "[a-c]*a", "((a|b)(a|b))*", "a(b|)c*", r"\(a*\)"]


def counted(letters: str) -> Member:
    return lambda text: bool(text) and text == "".join(x * text.count("a") for x in letters)


LANGUAGES: dict[str, tuple[FormalLanguage[Any], Member, int]] = {
    "ndfa": (ndfa(("ab", "cd"), 0.25), lambda t: re.fullmatch("s((ab)*|(cd)*)s", t) is not None, 7),
    "brackets": (Dyck(1, 7 / 16, None), balanced, 12),
    "brackets of depth 2": (Dyck(1, 0.6, 2), lambda t: balanced(t) and deep(t) <= 2, 12),
    "two kinds of brackets": (Dyck(2, 0.4, 3), lambda t: balanced(t) and deep(t) <= 3, 8),
    "a^n b^n": (Counting(2, 0.3), counted("ab"), 8),
    "a^n b^n c^n": (Counting(3, 0.3), counted("abc"), 9),
    "copying": (Copying(2, 3, 1), lambda t: re.fullmatch("([ab]{3})_:\\1", t) is not None, 8),
    "copying without a gap": (Copying(3, 2, 0), lambda t: re.fullmatch("([abc]{2}):\\1", t) is not None, 5),
    "parity": (parity(0.2), lambda t: t.count("1") % 2 == 0, 9),
    **{f"tomita {n}": (tomita(n, 0.2), member, 9) for n, member in TOMITA.items()},
    **{
        f"expression {pattern}": (
            automaton(pattern, 0.3),
            lambda t, pattern=pattern: re.fullmatch(pattern, t) is not None,
            6,
        )
        for pattern in EXPRESSIONS
    },
}


def strings(alphabet: tuple[str, ...], longest: int) -> Iterator[str]:
    for length in range(longest + 1):
        for tokens in itertools.product(alphabet, repeat=length):
            yield "".join(tokens)


GRAMMARS = {
    "ambiguous": {"s": ["s s", "a", "b", "a b", "b b", "a a a", "c"]},
    "left recursive": {"s": ["s a", "b", "t c", "b b"], "t": ["s", "d", "d d", "d e"]},
    "rules alone": {"s": ["t", "u x"], "t": ["u", "v y"], "u": ["v", "a"], "v": ["a", "b u"]},
    "nested": {"s": ["( s )", "a", "( s ) s", "b", "c"]},
    "palindromes": {"s": ["a s a", "b s b", "a a", "b b", "c"]},
    "a word twice in a rule": {
        "s": ["a t a", "b t b", "c t c", "a t", "b t", "c t"],
        "t": ["d", "e d", "d e"],
    },
}


def derived(rules: dict[str, list[str]], longest: int) -> dict[tuple[str, ...], float]:
    """Every string up to a length, by expanding the leftmost name in all ways, with its probability."""
    found: dict[tuple[str, ...], float] = {}
    forms: list[tuple[tuple[str, ...], float]] = [((next(iter(rules)),), 1.0)]
    while forms:
        form, probability = forms.pop()
        first = next((i for i, symbol in enumerate(form) if symbol in rules), None)
        if first is None:
            found[form] = found.get(form, 0.0) + probability
            continue
        for written in rules[form[first]]:
            further = form[:first] + tuple(written.split()) + form[first + 1 :]
            if len(further) <= longest:
                forms.append((further, probability / len(rules[form[first]])))
    return found
