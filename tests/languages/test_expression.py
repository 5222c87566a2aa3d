"""Regular expressions have the texts that Python's `re.fullmatch` accepts, or are refused with the reason."""

from __future__ import annotations

import itertools
import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.languages.automaton import Automaton
from seqlab.languages.expression import automaton
from seqlab.schema.errors import UserError

LETTERS = "ab-\\_1٣"
SHORT_TEXTS = ["".join(t) for n in range(4) for t in itertools.product("ab1", repeat=n)] + [
    *LETTERS,
    *"AdDwsn{}[]^$.|?*+()\n\tx0²,",
    *("a" * n for n in range(4, 9)),
    *("ab" * n for n in range(2, 5)),
    "a{2}",
    "a{,2}",
    "{2}",
    "a-b",
]

WRITTEN = r"""
a b 1 ٣ ² - _ { } , \\ \- \_ \. \n \x61 \u0062 \141 [ab] [a-c] [\-a] []a] [a-] [-a] [^a] [^]] [\d] [a\]b] [[a]
[a&&b] [] . ^ $ \d \D \w \s \b \B \A \Z \1 (?=a) (?!a) (?<=a) (?#x) \ ( ) [ ] (?P<n>a) (?P=n) (?i) (?x) (?a)
(?s) (?L)
"""
COUNTED = "* + ? {2} {0} {1,2} {,2} {1,} {,} {2,1} {²} {٣} {1 {x} {} {99999999999} {100000}"
ATOMS = st.sampled_from([*WRITTEN.split(), "", r"\N{LATIN SMALL LETTER A}"])
COUNTS = st.sampled_from([*COUNTED.split(), "{ 1}", "{" + "9" * 5000 + "}"])
MODES = st.sampled_from(["", "", "", "?", "+", "*"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    opening = st.sampled_from(
        ["(", "(", "(?:", "(?i:", "(?s-i:", "(?>", "(?P<g>", "(?x:", "(?=", "(?!", "(?"]
    )
    return st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        st.builds("{}{}{}".format, inner, COUNTS, MODES),
        st.builds("{}{})".format, opening, inner),
        st.builds("({}){}{}".format, inner, COUNTS, MODES),
    )


PLAIN = st.recursive(
    st.sampled_from([*"ab1", "[ab]", "[a-b1]", r"\-", ""]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("(?:{0[0]}|{0[1]})".format),
        st.builds(
            "({}){}{}".format,
            inner,
            st.sampled_from(["*", "+", "?", "{2}", "{0}", "{1,2}", "{,2}", "{2,}"]),
            st.sampled_from(["", "?"]),
        ),
    ),
    max_leaves=6,
)


def python(pattern: str) -> re.Pattern[str] | None:
    """The expression as Python reads it; None if it refuses it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(pattern)
    except (re.error, OverflowError, ValueError, RecursionError):
        return None


def ours(pattern: str) -> Automaton | None:
    """The automaton; None if it is refused."""
    try:
        return automaton(pattern, 0.5)
    except UserError:
        return None


def agrees(pattern: str) -> bool:
    """Whether the expression is not refused; then it has been compared on all short texts."""
    found, reference = ours(pattern), python(pattern)
    if found is None:
        return False
    assert reference is not None, "what Python refuses is refused"
    for text in SHORT_TEXTS:
        assert found.is_member(text) == (reference.fullmatch(text) is not None), text
    return True


@settings(max_examples=250)
@given(st.recursive(ATOMS, larger, max_leaves=6))
def test_every_expression_is_read_as_python_reads_it_or_refused(pattern: str) -> None:
    agrees(pattern)


@settings(max_examples=80)
@given(PLAIN)
def test_plain_expressions_are_not_refused(pattern: str) -> None:
    reference = python(pattern)
    assert reference is not None
    only_empty = not any(reference.fullmatch(text) for text in SHORT_TEXTS if text)
    assert agrees(pattern) or only_empty


ACCEPTED = [
    "a+?",
    "a{²}",
    "a{x}",
    "a{2",
    "a{,3}",
    "a{1,2}{x}",
    r"[\-a]",
    "[]a]",
    "(?:a|ab)(?:c|bcd)?",
    "(?x) a  b # ab",
    "(?s-i:a)b",
    "(?P<name>a)b",
    "(a*)*b",
    "(|a)+b",
    "a||b",
    r"\x61\n",
    "(" * 60 + "a" + ")" * 60,
]


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_what_python_knows_of_plain_expressions_is_known(pattern: str) -> None:
    assert agrees(pattern)


REFUSED = {
    "(a": r"must be a regular expression of Python: missing \), unterminated subpattern.* at position 0",
    "a)": r"must be a regular expression of Python: unbalanced parenthesis.* at position 1",
    "*a": "nothing to repeat",
    "a{2}{3}": "multiple repeat",
    "a{3,2}": "min repeat greater than max repeat",
    "[]": "unterminated character set",
    "[b-a]": "bad character range",
    "": "must have strings with at least one letter",
    "a{0}": "must have strings with at least one letter",
    "a.b": r"must consist of letters.*Got '\.' \(every character\)",
    r"\d+": "must consist of letters.*Got classes such as",
    "[^a]": "must consist of letters.*all other characters",
    r"[^a\d]": "must consist of letters.*all other characters",
    "^a$": "must consist of letters.*Got anchors",
    r"a\b": "must consist of letters.*Got anchors",
    "a(?=b)b": "must consist of letters.*Got lookaround",
    "a(?!b)b": "must consist of letters.*Got lookaround",
    r"(a)\1": "must consist of letters.*Got references to groups",
    "(a)?(?(1)b|c)": "must consist of letters.*Got references to groups",
    "a*+a": "must consist of letters.*Got possessive repetition",
    "(?>a*)a": "must consist of letters.*Got atomic groups",
    "(?i)a": "must write upper and lower case letters",
    "(?i:a)b": "must write upper and lower case letters",
    r"\ud800": "half of a surrogate pair",
    r"[\u0000-\uffff]": "at most 1,000 letters in a class. Got 65,536",
    r"[\u0100-\u0400][\u0500-\u0800]": "at most 1,000 different letters",
    "a{100000}": "must repeat its letters at most 10,000 times. Got 100,000",
    "(([a-z]?){100}){100}": "must have fewer parts that can follow each other",
    "[a-z]?" * 5000: "must have fewer parts that can follow each other",
    "((a{1000}){1000}){1000}": "Got 1,000,000,000 letters",
    "(?:(?:a{0})b{0}){1000000000}": "must repeat its letters",
    "a{4294967295}": "must repeat its letters",
    "a{" + "9" * 5000 + "}": "must repeat its letters.*a far larger number",
    "(a|b)*a(a|b){12}": "must need at most 2,000 states",
    r"[\u0100-\u0400]{1000}": "must need at most 2,000 states and 200,000 transitions",
    "(" * 5000 + "a" + ")" * 5000: "must not be nested so deeply",
}


@pytest.mark.parametrize("pattern", list(REFUSED), ids=lambda pattern: pattern[:20])
def test_an_expression_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(UserError, match=REFUSED[pattern]):
        automaton(pattern, 0.5)


def test_classes_and_copies_share_no_letters_that_cannot_occur() -> None:
    assert automaton("[a-c]{2}|d{0}", 0.5).alphabet == ("a", "b", "c")
    assert automaton("a{1999}", 0.5).is_member("a" * 1999)
