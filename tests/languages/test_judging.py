"""Samples are judged exactly, and the legacy checks are as loose as they were."""

from __future__ import annotations

import pytest

from seqlab.languages.character_level import CharacterLevel
from seqlab.languages.context_free import ContextFree
from seqlab.languages.dyck import Dyck
from seqlab.languages.expected_lengths import ExpectedLengths
from seqlab.languages.judging import Sample, judge
from seqlab.languages.language import END
from seqlab.languages.legacy_checks import LEGACY_CHECKS
from seqlab.languages.regular import ndfa
from seqlab.languages.toy import TOY

BRACKETS = Dyck(1, 7 / 16, None)
NDFA = ndfa(("abc!", "uvw!", "klm!"), 0.25)


def test_shares_are_counted_by_hand() -> None:
    samples = [
        Sample("()", True),
        Sample("()", True),
        Sample("(())", True),
        Sample("())", True),  # complete and wrong
        Sample("(((", False),  # cut, correct so far
        Sample("()(", False),  # cut and already wrong
    ]
    found = judge(
        BRACKETS,
        samples,
        seen={"()"},
        expected=ExpectedLengths(1.0, {2: 0.5, 4: 0.5}),
        legacy_check=LEGACY_CHECKS["counted-brackets"],
    )
    assert found.valid == 3 / 6
    assert found.wrong == 2 / 6
    assert found.cut == pytest.approx(1 / 6)
    assert found.complete == 4 / 6
    assert found.valid_of_complete == 3 / 4
    assert found.novel == 1 / 3
    assert found.distinct == 5 / 6
    assert found.passed_legacy_check == 3 / 6
    # Lengths of complete samples: 2 2 4 3, cumulative 1/2, 3/4, 1; of the language 1/2, 1/2, 1.
    assert found.length_distance == pytest.approx(1 / 4)
    assert found.longest_valid == "(())"
    assert [(text, error.position, error.token, error.allowed) for text, error in found.explained] == [
        ("())", 2, ")", (END,)),
        ("()(", 2, "(", (END,)),
    ]


def test_without_complete_samples_their_shares_are_unknown() -> None:
    found = judge(BRACKETS, [Sample("((", False)], expected=ExpectedLengths(1.0, {2: 1.0}))
    assert (found.valid, found.wrong, found.cut) == (0, 0, 1)
    assert found.valid_of_complete is found.novel is found.length_distance is None
    assert "valid_of_complete_samples" not in found.shares


def test_unknown_words_are_counted() -> None:
    language = CharacterLevel(ContextFree(TOY))
    samples = [Sample("a cat walked", True), Sample("the dgo ran", True), Sample("a cat wal", False)]
    found = judge(language, samples, words=frozenset(ContextFree(TOY).alphabet))
    assert found.known_words == 7 / 8  # the last word of a cut sample is not counted
    (text, error), *rest = found.explained
    assert not rest
    assert (text, error.position, error.token) == ("the dgo ran", 5, "g")


@pytest.mark.parametrize(
    ("check", "language", "text", "loose", "exact"),
    [
        ("counted-brackets", BRACKETS, "(())", True, True),
        ("counted-brackets", BRACKETS, ")(", True, False),
        ("counted-brackets", BRACKETS, "()()", True, False),
        ("loose-ndfa", NDFA, "sabc!s", True, True),
        ("loose-ndfa", NDFA, "sabc!uvw!s", True, False),
        ("loose-ndfa", NDFA, "sss", True, False),
        ("loose-ndfa", NDFA, "sabc!ab", True, False),
        ("loose-ndfa", NDFA, "sabs", False, False),
    ],
)
def test_legacy_checks_accept_wrong_samples(check, language, text, loose, exact) -> None:
    assert LEGACY_CHECKS[check](text) == loose
    assert language.is_member(text) == exact
