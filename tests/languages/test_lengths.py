"""Lengths of strings are those of brute force over all short strings; endless strings are refused."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from small_languages import GRAMMARS, LANGUAGES, derived, strings

from seqlab.languages.character_level import CharacterLevel
from seqlab.languages.context_free import ContextFree
from seqlab.languages.copying import Copying
from seqlab.languages.counting import Counting
from seqlab.languages.dyck import Dyck
from seqlab.languages.expected_lengths import ExpectedLengths, expected_lengths
from seqlab.languages.explorer import CHUNK, chunk_sizes
from seqlab.languages.expression import automaton
from seqlab.languages.grammar import Grammar, uniform_grammar
from seqlab.languages.language import FormalLanguage
from seqlab.languages.length_bounded import LengthBounded
from seqlab.languages.length_table import length_table, lengths_from, possible_lengths
from seqlab.languages.regular import parity, tomita
from seqlab.languages.toy import TOY
from seqlab.schema.errors import UserError


def by_brute_force(
    language: FormalLanguage[Any], known: dict[tuple[str, ...], float], prefix: tuple[str, ...], limit: int
) -> list[float]:
    """The distribution of the remaining length, of all strings with a prefix and at most `limit` more tokens.

    The probability of the prefix is the product of those of its tokens.
    """
    whole = math.prod(
        language.next_token(language.join(prefix[:index]))[token] for index, token in enumerate(prefix)
    )
    found = [0.0] * (limit + 1)
    for tokens, probability in known.items():
        if tokens[: len(prefix)] == prefix and len(tokens) <= len(prefix) + limit:
            found[len(tokens) - len(prefix)] += probability / whole
    return found


def check_lengths(language: FormalLanguage[Any], known: dict[tuple[str, ...], float], longest: int) -> None:
    """Compare the remaining lengths after many prefixes of the strings of up to `longest` tokens."""
    prefixes = sorted({tokens[:n] for tokens in known for n in range(len(tokens) + 1)}, key=len)
    for prefix in prefixes[:: max(1, len(prefixes) // 25)]:
        limit = longest - len(prefix)
        found = language.remaining_lengths(language.state_after(language.join(prefix)), limit)
        assert found == pytest.approx(by_brute_force(language, known, prefix, limit), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("name", list(LANGUAGES))
def test_remaining_lengths_are_those_of_all_strings(name: str) -> None:
    whole, member, longest = LANGUAGES[name]
    longest = min(longest, 8)
    for language in (whole, LengthBounded(whole, 2, longest)):
        texts = (text for text in strings(language.alphabet, longest) if member(text))
        known = {tuple(text): math.exp(-language.nats(text)) for text in texts}
        known = {tokens: probability for tokens, probability in known.items() if probability > 0}
        check_lengths(language, known, longest)


@pytest.mark.parametrize("name", list(GRAMMARS))
def test_remaining_lengths_of_a_grammar_are_those_of_all_derivations(name: str) -> None:
    known = derived(GRAMMARS[name], 6)
    check_lengths(ContextFree(uniform_grammar(GRAMMARS[name])), known, 6)


@pytest.mark.parametrize("name", list(GRAMMARS))
def test_remaining_lengths_in_characters_are_those_of_all_derivations(name: str) -> None:
    """With words of several lengths, one of which is the beginning of others."""
    longer = {"a": "ab", "b": "abc", "c": "a"}
    rules = {
        rule: [" ".join(longer.get(symbol, symbol) for symbol in choice.split()) for choice in choices]
        for rule, choices in GRAMMARS[name].items()
    }
    texts = {" ".join(words): probability for words, probability in derived(rules, 5).items()}
    known = {tuple(text): p for text, p in texts.items() if len(text) <= 9}
    check_lengths(CharacterLevel(ContextFree(uniform_grammar(rules))), known, 9)


def test_lengths_of_long_strings_sum_to_their_share_and_have_their_mean() -> None:
    language = ContextFree(TOY)
    lengths = language.remaining_lengths(language.start(), 600)
    assert lengths.sum() == pytest.approx(1)
    assert lengths @ np.arange(601) == pytest.approx(language.mean_tokens)
    letters = CharacterLevel(language)
    lengths = letters.remaining_lengths(letters.start(), 900)
    assert lengths.sum() == pytest.approx(1)
    assert lengths @ np.arange(901) == pytest.approx(letters.mean_tokens)


def test_expected_samples_continue_their_prompts_and_are_cut_where_samples_are() -> None:
    """Brackets after `((` with at most four more tokens: `))`, `())()`... counted by hand."""
    p = 0.25
    found = expected_lengths(Dyck(1, p, None), {"((": 1}, 4)
    two, four = (1 - p) ** 2, 2 * p * (1 - p) ** 3
    assert found.complete == pytest.approx(two + four)
    assert found.lengths == pytest.approx({4: two / (two + four), 6: four / (two + four)})
    mixed = expected_lengths(Dyck(1, p, None), {"((": 1, "()": 3}, 4)
    assert mixed.complete == pytest.approx((3 + two + four) / 4)
    assert mixed.lengths == pytest.approx(
        {2: 3 / (3 + two + four), 4: two / (3 + two + four), 6: four / (3 + two + four)}
    )
    with pytest.raises(UserError, match=r"must be the beginning of a string.*Got '\)'"):
        expected_lengths(Dyck(1, p, None), {")": 1}, 4)


def test_of_long_limits_only_what_is_negligible_is_left_out() -> None:
    found = expected_lengths(parity(0.5), {"": 1}, 10**9)
    assert found.complete == pytest.approx(1, abs=1e-11)
    assert max(found.lengths) < 3_000


def test_the_expected_distance_is_that_of_as_many_true_strings() -> None:
    """Of two lengths, the distance is |share - p|: the mean deviation of a binomial distribution."""
    p = 0.3
    expected = ExpectedLengths(1.0, {2: p, 6: 1 - p})
    for count in (1, 10, 400):
        mean = sum(
            math.comb(count, k) * p**k * (1 - p) ** (count - k) * abs(k / count - p) for k in range(count + 1)
        )
        assert expected.expected_distance(count) == pytest.approx(mean, rel=0.1)
    assert expected.expected_distance(400) == expected.expected_distance(400)


def test_a_model_that_knows_the_truth_is_as_far_from_it_as_expected() -> None:
    language = Dyck(1, 7 / 16, None)
    expected = expected_lengths(language, {"": 1}, 30)
    lengths = [len(text) for text in language.draw(4_000, np.random.default_rng(0)) if len(text) <= 30]
    counts = {length: lengths.count(length) for length in set(lengths)}
    assert expected.distance(counts) < 3 * expected.expected_distance(len(lengths)) < 0.1


ENDLESS: dict[str, tuple[FormalLanguage[Any], str]] = {
    "brackets": (Dyck(1, 0.4999999, None), "'opening'"),
    "deep brackets": (Dyck(2, 0.6, 50), "'max_depth'"),
    "deepest brackets": (Dyck(1, 0.9, 10**9), "more than 1,000,000,000,000"),
    "parity": (parity(1e-8), "'stop'"),
    "tomita": (tomita(5, 1e-7), "'stop'"),
    "counting": (Counting(3, 1e-7), "'stop'"),
    "copying": (Copying(8, 10**9, 0), "'length'"),
    "rare end": (automaton("[ab]*a{60}", 0.5), "'stop'"),
    "grammar": (ContextFree(Grammar({"s": ((("s", "s"), 0.4999999), (("a",), 0.5000001))})), "rules"),
    "doubled": (
        ContextFree(uniform_grammar({f"s{i}": [f"s{i + 1} s{i + 1}"] for i in range(40)} | {"s40": ["a"]})),
        "1,099,511,627,776|more than",
    ),
    "doubled beyond floats": (
        ContextFree(uniform_grammar({f"s{i}": [f"s{i + 1} s{i + 1}"] for i in range(300)} | {"s300": ["a"]})),
        "more than",
    ),
    "characters": (
        CharacterLevel(ContextFree(Grammar({"s": ((("word" * 9, "s"), 0.9999), (("a",), 0.0001))}))),
        "rules",
    ),
}


@pytest.mark.parametrize("name", list(ENDLESS))
def test_practically_endless_strings_are_refused_with_what_they_follow_from(name: str) -> None:
    language, words = ENDLESS[name]
    with pytest.raises(UserError, match=rf"at most 100,000 tokens on average.*Got .*({words})"):
        language.draw(1, np.random.default_rng(0))


LONG: dict[str, FormalLanguage[Any]] = {
    "brackets": Dyck(2, 0.498, None),
    "parity": parity(0.005),
    "grammar": ContextFree(Grammar({"s": ((("a", "s"), 0.498), (("b", "s"), 0.5), (("c",), 0.002))})),
    "one length": LengthBounded(Counting(2, 0.01), 1_000, 1_000),
}


@pytest.mark.parametrize("name", list(LONG))
def test_a_larger_draw_of_long_strings_begins_with_a_smaller_one(name: str) -> None:
    language = LONG[name]
    texts = language.draw(20, np.random.default_rng(0))
    assert language.draw(3, np.random.default_rng(0)) == texts[:3]
    assert all(map(language.is_member, texts[:3]))
    assert texts != language.draw(20, np.random.default_rng(1)) or name == "one length"


def test_few_long_strings_are_drawn_for_few() -> None:
    sizes = list(itertools.islice(chunk_sizes(100_000), 5))
    assert sizes == [4, 8, 10, 10, 10]
    assert list(itertools.islice(chunk_sizes(1_000), 4)) == [4, 8, 16, 32]
    assert list(itertools.islice(chunk_sizes(20), 2)) == [CHUNK, CHUNK]


def test_a_limited_language_is_as_long_as_its_limit_allows() -> None:
    """Even where strings without a limit are practically endless."""
    language = LengthBounded(Dyck(1, 0.6, 50), 0, 12)
    assert 0 < language.mean_tokens <= 12
    assert all(len(text) <= 12 for text in language.draw(20, np.random.default_rng(0)))


def test_tables_of_lengths_are_refused_before_they_are_built() -> None:
    whole = Dyck(1, 0.4, None)
    for limit, words in (
        (10**9, "at most 1,000,000. Got 1,000,000,000"),
        (50_000, "from at most 20,000,000"),
    ):
        with pytest.raises(UserError, match=words):
            LengthBounded(whole, 0, limit)


def test_possible_lengths_are_known_however_rare_they_are() -> None:
    language = Counting(2, 0.9)
    possible = possible_lengths(language, language.start(), 800)
    assert np.flatnonzero(possible).tolist() == list(range(2, 801, 2))
    assert lengths_from(language, language.start(), 800)[800] == 0  # too small for a float
    with pytest.raises(UserError, match=r"must have strings of 800 to 800 tokens.*likely enough"):
        LengthBounded(language, 800, 800)


def test_lengths_from_a_state_are_a_column_of_the_table() -> None:
    language = Counting(3, 0.2)
    table = length_table(language, language.start(), 30)
    assert table.ends[:, 0] == pytest.approx(lengths_from(language, language.start(), 30), rel=1e-12)
