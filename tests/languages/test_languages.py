"""Every language against brute force over all short strings: membership, probabilities, next tokens."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from small_languages import GRAMMARS, LANGUAGES, derived, strings

from seqlab.languages import markov
from seqlab.languages.character_level import CharacterLevel
from seqlab.languages.context_free import ContextFree
from seqlab.languages.counting import Counting
from seqlab.languages.dyck import Dyck
from seqlab.languages.explorer import WRONG, Explorer
from seqlab.languages.grammar import Grammar, uniform_grammar
from seqlab.languages.language import END
from seqlab.languages.length_bounded import LengthBounded
from seqlab.languages.regular import parity, tomita
from seqlab.languages.toy import TOY
from seqlab.schema.errors import UserError

EVERY = pytest.mark.parametrize("name", list(LANGUAGES))


@EVERY
def test_membership_agrees_with_an_independent_rule(name: str) -> None:
    language, member, longest = LANGUAGES[name]
    found = 0
    for text in strings(language.alphabet, min(longest, 9)):
        assert language.is_member(text) == member(text), text
        assert math.isfinite(language.nats(text)) == member(text)
        found += member(text)
    assert found
    assert not language.is_member("?")


@EVERY
def test_with_bounded_length_probabilities_are_sums_over_all_strings(name: str) -> None:
    """The probabilities of all strings sum to 1, and those of next tokens are quotients of such sums."""
    language, member, longest = LANGUAGES[name]
    within = LengthBounded(language, 1, longest)
    probabilities = {
        t: math.exp(-within.nats(t)) for t in strings(language.alphabet, longest) if t and member(t)
    }
    assert sum(probabilities.values()) == pytest.approx(1.0)
    whole = sum(math.exp(-language.nats(text)) for text in probabilities)
    assert within.probability_mass() == pytest.approx(whole)
    for text, probability in probabilities.items():
        assert probability == pytest.approx(math.exp(-language.nats(text)) / whole)
    next_tokens: dict[str, dict[str, float]] = {}
    for text, probability in probabilities.items():
        for position, token in enumerate([*text, END]):
            row = next_tokens.setdefault(text[:position], {})
            row[token] = row.get(token, 0.0) + probability
    for prefix, row in next_tokens.items():
        expected = {token: share / sum(row.values()) for token, share in row.items()}
        assert within.next_token(prefix) == pytest.approx(expected)
    entropy = within.entropy()
    assert entropy.per_string == pytest.approx(
        -sum(p * math.log(p) for p in probabilities.values() if p < 1), abs=1e-9
    )
    assert entropy.tokens == pytest.approx(sum(p * (len(text) + 1) for text, p in probabilities.items()))


@EVERY
def test_drawn_strings_belong_to_the_language_and_have_its_entropy(name: str) -> None:
    language, member, _ = LANGUAGES[name]
    texts = language.draw(20_000, np.random.default_rng(0))
    assert all(map(member, texts[:500]))
    assert texts[:100] == language.draw(100, np.random.default_rng(0))
    assert texts[:100] != language.draw(100, np.random.default_rng(1)) or len(set(texts)) < 10
    nats = np.array([language.nats(text) for text in texts[:4000]])
    lengths = np.array([len(text) + 1 for text in texts])
    entropy = language.entropy()
    assert entropy.error == 0
    assert nats.mean() == pytest.approx(entropy.per_string, abs=5 * nats.std() / 63 + 1e-9)
    assert lengths.mean() == pytest.approx(entropy.tokens, abs=5 * lengths.std() / 141 + 1e-9)


@EVERY
def test_a_wrong_string_is_explained_by_its_first_error(name: str) -> None:
    language, member, longest = LANGUAGES[name]
    longest = min(longest, 6)
    members = [text for text in strings(language.alphabet, longest + 3) if member(text)]
    for text in strings(language.alphabet, longest):
        error = language.first_error(text)
        assert (error is None) == member(text)
        if error is None:
            continue
        correct = text[: error.position]
        assert error.token == (text[error.position :][:1] or END)
        assert not any(other.startswith(correct + error.token) for other in members)
        for token in error.allowed:
            assert language.is_member(correct) if token == END else language.is_prefix(correct + token)


@EVERY
def test_a_text_with_which_no_string_begins_is_no_prefix(name: str) -> None:
    language, _, _ = LANGUAGES[name]
    assert language.is_prefix("")
    assert not language.is_prefix("?")
    with pytest.raises(UserError, match=r"must be the beginning of a string of the language\. Got '\?'"):
        language.next_token("?")


@pytest.mark.parametrize(("name", "entropy"), [("brackets", 0.548251), ("ndfa", None)])
def test_the_explorer_gives_the_same_probabilities_as_the_language(name: str, entropy: float | None) -> None:
    language, _, _ = LANGUAGES[name]
    explorer = Explorer(language)
    for text in language.draw(50, np.random.default_rng(3)):
        path = explorer.walk(list(text))
        for position, number in enumerate(path.tolist()):
            row = explorer.probabilities[number]
            expected = language.next_token(text[:position])
            shown = {t: row[c] for t, c in explorer.columns.items() if row[c]} | (
                {END: row[-1]} if row[-1] else {}
            )
            assert shown == pytest.approx(expected)
    assert explorer.walk(["?", "("]).tolist() == [0, WRONG, WRONG]
    if entropy is not None:
        assert language.entropy().per_token == pytest.approx(entropy, abs=1e-6)


def test_at_great_lengths_nothing_is_lost_to_rounding() -> None:
    """All brackets of one length are equally likely: 1 / Catalan."""
    long = LengthBounded(Dyck(1, 7 / 16, None), 300, 300)
    (text,) = long.draw(1, np.random.default_rng(0))
    n = 149
    assert len(text) == 300
    assert long.nats(text) == pytest.approx(math.log(math.comb(2 * n, n) // (n + 1)), rel=1e-9)


def test_kinds_of_brackets_are_equally_likely() -> None:
    texts = Dyck(3, 0.4, None).draw(5_000, np.random.default_rng(0))
    counts = [sum(text.count(bracket) for text in texts) for bracket in "([{"]
    assert max(counts) / min(counts) < 1.1


@pytest.mark.parametrize("name", list(GRAMMARS))
def test_a_grammar_sums_the_probabilities_of_all_derivations(name: str) -> None:
    rules = GRAMMARS[name]
    language = ContextFree(uniform_grammar(rules))
    known = derived(rules, 5)
    for length in range(6):
        for tokens in itertools.product(language.alphabet, repeat=length):
            text = " ".join(tokens)
            assert language.is_member(text) == (tokens in known), text
            if tokens in known:
                assert math.exp(-language.nats(text)) == pytest.approx(known[tokens], rel=1e-9)


@pytest.mark.parametrize("name", list(GRAMMARS))
def test_sentences_are_drawn_with_their_probabilities(name: str) -> None:
    rules = GRAMMARS[name]
    language = ContextFree(uniform_grammar(rules))
    texts = language.draw(30_000, np.random.default_rng(0))
    assert texts[:50] == language.draw(50, np.random.default_rng(0))
    for tokens, probability in derived(rules, 3).items():
        share = texts.count(" ".join(tokens)) / len(texts)
        assert share == pytest.approx(probability, abs=5 * math.sqrt(probability / len(texts)) + 1e-9)


def test_prefix_probabilities_are_sums_over_all_strings() -> None:
    """Of a grammar with finitely many strings."""
    rules = {"s": ["t t", "a t", "t b b"], "t": ["a", "b", "a b"]}
    language, known = ContextFree(uniform_grammar(rules)), derived(rules, 9)
    assert sum(known.values()) == pytest.approx(1.0)
    for prefix in {tokens[:n] for tokens in known for n in range(len(tokens) + 1)}:
        row: dict[str, float] = {}
        for tokens, probability in known.items():
            if tokens[: len(prefix)] == prefix:
                token = (*tokens, END)[len(prefix)]
                row[token] = row.get(token, 0.0) + probability
        expected = {token: probability / sum(row.values()) for token, probability in row.items()}
        assert dict(language.next_token(" ".join(prefix))) == pytest.approx(expected)


def test_entropy_is_exact_for_an_unambiguous_grammar_and_an_estimate_with_its_error_otherwise() -> None:
    plain = ContextFree(uniform_grammar({"s": ["a s", "b"]}))
    assert plain.unambiguous
    assert plain.entropy().per_string == pytest.approx(2 * math.log(2))
    assert plain.entropy().error == 0
    toy = ContextFree(TOY)
    assert not toy.unambiguous
    found = toy.entropy()
    assert found.strings == 20_000
    assert found.error > 0
    texts = toy.draw(3_000, np.random.default_rng(9))
    nats = np.array([toy.nats(text) for text in texts])
    spread = math.hypot(found.error, float(nats.std()) / math.sqrt(len(nats)))
    assert nats.mean() == pytest.approx(found.per_string, abs=5 * spread)


def test_the_probability_of_a_long_sentence_is_exact() -> None:
    """Products of a thousand probabilities, far below the smallest float, neither vanish nor drift."""
    language = ContextFree(uniform_grammar({"s": ["a s", "a", "b s", "b"]}))
    text = " ".join("ab"[position % 2] for position in range(1_000))
    assert language.nats(text) == pytest.approx(1_000 * math.log(4), rel=1e-9)


def test_characters_have_the_probabilities_of_words() -> None:
    words = ContextFree(TOY)
    letters = CharacterLevel(words)
    assert set(letters.alphabet) <= set("abcdefghijklmnopqrstuvwxyz ()")
    for text in words.draw(200, np.random.default_rng(1)):
        assert letters.nats(text) == pytest.approx(words.nats(text), rel=1e-9)
        assert letters.is_member(text)
        assert not letters.is_member(text + " ")
        assert not letters.is_member(text[:-1])
        for end in range(len(text) + 1):
            assert sum(letters.next_token(text[:end]).values()) == pytest.approx(1.0)
    error = letters.first_error("a cat wolked")
    assert error is not None
    assert (error.position, error.token, error.allowed) == (7, "o", ("a", "e"))
    longer = CharacterLevel(ContextFree(uniform_grammar({"s": ["go", "goes", "go on"]})))
    assert longer.next_token("go") == pytest.approx({END: 1 / 3, "e": 1 / 3, " ": 1 / 3})


BAD = {
    r"at least one rule\. Got none": {},
    r"Got none: 's' never ends": {"s": ["a s"]},
    r"Every rule must end\. Got 't'": {"s": ["a", "t", "b", "c"], "t": ["t a"]},
    r"Every rule must be reachable from 's'\. Got 'u'": {"s": ["a"], "u": ["b"]},
    r"must not derive itself alone.*Got 's'": {"s": ["t", "a"], "t": ["s", "b"]},
    r"must have a finite mean length\. Got rules that write themselves 1\.000 times": {"s": ["s s", "a"]},
    r"must not be empty\. Got an empty one": {"s": ["a", ""]},
    r"Got the same one twice": {"s": ["a", "a"]},
    r"must have at least one choice\. Got none": {"s": []},
    r"'\.end' must not be a word": {"s": ["a .end"]},
    r"name of a rule must be one word\. Got ''": {"": ["a"]},
    r"name of a rule must be one word\. Got 'a b'": {"s": ["c"], "a b": ["d"]},
    r"must have at most 2,000 rules\. Got 2,001": {f"s{i}": ["a"] for i in range(2_001)},
}


@pytest.mark.parametrize("words", list(BAD))
def test_an_invalid_grammar_is_refused_with_the_reason(words: str) -> None:
    with pytest.raises(UserError, match=words):
        uniform_grammar(BAD[words])


def test_settings_out_of_range_are_refused() -> None:
    for make, words in (
        (lambda: Dyck(5, 0.4, None), "'kinds' must be from 1 to 4"),
        (lambda: Dyck(1, 0.5, None), "'opening' must be from 0 to below 1/2"),
        (lambda: Dyck(1, 0.5, 0), "'max_depth' must be at least 1"),
        (lambda: Counting(1, 0.5), "'letters' must be from 2 to 4"),
        (lambda: Counting(2, 0.0), "'stop' must be above 0"),
        (lambda: tomita(8, 0.1), "'number' must be from 1 to 7. Got 8. Nearest: 7."),
        (lambda: parity(1.5), "'stop' must be above 0 and at most 1"),
        (lambda: parity(1e-12), "'stop' must be at least 1e-09"),
        (lambda: LengthBounded(Counting(2, 0.5), 3, 3), "must have strings of 3 to 3 tokens"),
        (
            lambda: LengthBounded(Counting(2, 0.5), 4, 3),
            "'min_length' must be from 0 to 'max_length', 3. Got 4.",
        ),
    ):
        with pytest.raises(UserError, match=words):
            make()


def test_kinds_do_not_multiply_the_states_of_an_entropy() -> None:
    """Long strings of several kinds have more stacks than could be enumerated."""
    one, two = (LengthBounded(Dyck(kinds, 7 / 16, None), 1, 40).entropy() for kinds in (1, 2))
    assert two.tokens == one.tokens
    assert two.per_string == pytest.approx(one.per_string + (one.tokens - 1) / 2 * math.log(2))


@pytest.mark.parametrize(("opening", "depth"), [(0.0, 3), (0.3, 1), (0.5, 6), (0.6, 5), (0.2, None)])
def test_the_entropy_of_brackets_in_closed_form_is_that_of_their_markov_chain(
    opening: float, depth: int | None
) -> None:
    found = Dyck(1, opening, depth).entropy()
    expected = markov.entropy(Dyck(1, opening, depth or 60))
    assert found.per_string == pytest.approx(expected.per_string, rel=1e-9)
    assert found.tokens == pytest.approx(expected.tokens, rel=1e-9)
    two = Dyck(2, opening, depth).entropy()
    assert two.per_string == pytest.approx(found.per_string + (found.tokens - 1) / 2 * math.log(2))


def test_interchangeable_words_give_the_same_bits_in_any_order() -> None:
    """The probabilities after a word depend neither on the language's history nor on a word of its class."""
    rules = {"s": (("n v", 0.3), ("n v n", 0.7)), "n": tuple((word, 1 / 7) for word in "abcdefg")}
    rules |= {"v": (("x", 0.1), ("y", 0.2), ("z n", 0.7))}
    grammar = Grammar({name: tuple((tuple(w.split()), p) for w, p in row) for name, row in rules.items()})
    prefixes = [f"{n} {v}" for n in "abcdefg" for v in "xyz"]
    forward, backward = ContextFree(grammar), ContextFree(grammar)
    found = {prefix: dict(forward.next_token(prefix)) for prefix in prefixes}
    assert found == {prefix: dict(backward.next_token(prefix)) for prefix in reversed(prefixes)}


def test_characters_of_a_string_on_average_are_those_of_all_strings() -> None:
    rules = {"s": ["go t", "t t", "so"], "t": ["on", "t1 ten", "a"], "t1": ["x", "yz"]}
    language, known = CharacterLevel(ContextFree(uniform_grammar(rules))), derived(rules, 9)
    expected = sum(p * len(" ".join(words)) for words, p in known.items())
    assert language.mean_tokens == pytest.approx(expected)
    assert language.entropy().tokens == pytest.approx(expected + 1)
