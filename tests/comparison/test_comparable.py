"""What keeps numbers from being ranked: every rule, on cards as runs write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seqlab.comparison.comparable import (
    COST_RULES,
    RULES,
    Card,
    Matters,
    Rule,
    comparable_groups,
    cost_differences,
    differences,
    refusal,
)

RESULTS = Path(__file__).parents[2] / "results"
ENVIRONMENT = {
    "device": "cpu",
    "processor": "AMD EPYC",
    "cores": 2,
    "threads": 2,
    "kernels": "avx2",
    "matmul": "onednn",
    "versions": {"torch": "2.13.0+cpu"},
}
TOKENS: dict[str, Any] = {
    "metrics": {"loss": 4.55},
    "loss_unit": "nats per token",
    "dataset": "ptb",
    "split": "valid",
    "split_sha256": "ce0a9311679ac86243c7f6ad56e7aff032c7ad3202c96cc11b30e28cf7fc54d9",
    "sequences": 1,
    "tokens": 73_760,
    "scored_as": "1 stream, state carried from start to end",
    "vocabulary": 10_000,
    "tokenizer": "whitespace",
    "checkpoint_step": 9_600,
    "seed": 1,
    "environment": ENVIRONMENT,
}
OLD_TEXTS: dict[str, Any] = TOKENS | {
    "metrics": {"loss": 0.29, "accuracy": 0.8946},
    "loss_unit": "nats per text",
    "dataset": "imdb",
    "split_sha256": "ea73f8a70b3427577673310895be9a186786ed32eec85db66c7687f0fc56f0f4",
    "sequences": 5_000,
    "tokens": 1_065_167,
    "scored_as": "whole sequences",
    "vocabulary": 30_000,
    "tokenizer": "words",
}
"""As the first version wrote it: nothing is known of the texts themselves."""
TEXTS = OLD_TEXTS | {"unit": "text", "texts_sha256": "a" * 64, "targets": 5000}
OTHER_CUT = {"tokenizer": "wordpiece", "vocabulary": 20_000, "tokens": 1, "split_sha256": "c" * 64}


def changed(card: Card, key: str, value: Any) -> dict[str, Any]:
    """A card with another value at a dotted key."""
    first, _, rest = key.partition(".")
    return {**card, first: changed(card.get(first) or {}, rest, value) if rest else value}


def named(card: Card, *others: Card) -> list[str]:
    return [difference.what for difference in differences([card, *others])]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*-*.json")), ids=lambda path: path.stem)
def test_published_cards_have_every_required_key(path: Path) -> None:
    card = json.loads(path.read_text(encoding="utf-8")).get("card")
    if card is not None:
        assert cost_differences([card, card]) == differences([card, card]) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_every_rule_separates_numbers_per_token(rule: Rule) -> None:
    one, other = changed(TOKENS, rule.key, "one"), changed(TOKENS, rule.key, "other")
    assert named(one, other) == ([] if rule.matters is Matters.TEXTS else [rule.what])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_how_texts_are_split_does_not_separate_numbers_per_text(rule: Rule) -> None:
    one, other = (changed(TEXTS, rule.key, f"{word} per text") for word in ("one", "other"))
    cuts = rule.matters is Matters.UNLESS_SAME_TEXTS
    assert (rule.what not in named(one, other)) == cuts


def test_tokenizers_matter_for_texts_unless_they_are_known_to_be_the_same() -> None:
    assert named(TEXTS, TEXTS | OTHER_CUT) == []
    other = named(TEXTS, TEXTS | OTHER_CUT | {"texts_sha256": "b" * 64})
    assert {"the texts (SHA-256)", "the tokenizer", "the encoded split (SHA-256)"} <= set(other)
    for old in (OLD_TEXTS, TEXTS | {"texts_sha256": None}):
        assert {"the tokenizer", "the size of the vocabulary"} <= set(named(TEXTS, old | OTHER_CUT))
        assert {"the tokenizer", "the size of the vocabulary"} <= set(named(old, old | OTHER_CUT))
        assert named(TEXTS, old) == [], "an older card on the same encoded split"


@pytest.mark.parametrize(
    "key", ["seed", "run", "fingerprint", "checkpoint_step", "metrics", "environment", "new"]
)
def test_seeds_and_hardware_do_not_separate_numbers(key: str) -> None:
    assert named(TOKENS, TOKENS | {key: {"other": 1}}) == []


def test_signatures_matter_for_the_metrics_that_both_have() -> None:
    one = TOKENS | {"signatures": {"bleu": "case:mixed|tok:13a", "chrf": "nc:6"}}
    assert named(one, TOKENS | {"signatures": {"bleu": "case:mixed|tok:13a"}}) == []
    assert named(one, TOKENS) == []
    assert named(one, TOKENS | {"signatures": {"bleu": "case:lc|tok:13a"}}) == ["the signature of bleu"]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.required], ids=lambda rule: rule.key)
def test_a_missing_required_key_is_a_difference(rule: Rule) -> None:
    without = {key: value for key, value in TOKENS.items() if key != rule.key}
    (found,) = [one for one in differences([TOKENS, without]) if one.what == rule.what]
    assert found.values[1] == "not recorded"
    assert rule.what in named(without, without), "nothing is known of either"


def test_the_refusal_names_what_differs_and_each_value() -> None:
    cards = {"a": TOKENS, "b": TOKENS | {"tokenizer": "bytes", "scored_as": "in windows"}, "c": TOKENS}
    assert refusal(cards) == (
        f"The numbers of a, b and c cannot be ranked. They differ in the tokenizer: "
        f"{TOKENS['tokenizer']!r} (a, c), 'bytes' (b). --allow-incomparable shows them apart."
    )
    sentence = refusal({"imdb": TEXTS, "ptb": TOKENS | {"end_token_counts": True}})
    assert sentence is not None
    assert "in the dataset: 'imdb' (imdb), 'ptb' (ptb)" in sentence
    assert "in the size of the vocabulary: 30,000 (imdb), 10,000 (ptb)" in sentence
    assert f"(SHA-256): {TEXTS['split_sha256'][:12]} (imdb), {TOKENS['split_sha256'][:12]} (ptb)" in sentence
    assert refusal({"a": TOKENS, "b": TOKENS | {"seed": 2}}) is None
    both = refusal({"a": TOKENS | {"end_token_counts": True}, "b": TOKENS | {"end_token_counts": False}})
    assert both is not None
    assert "whether the end token counts: yes (a), no (b)" in both


def test_one_card_has_no_differences() -> None:
    assert differences([{}]) == []
    assert refusal({"a": {}}) is None
    assert comparable_groups({}) == []


def test_groups_contain_what_can_be_ranked_in_the_order_given() -> None:
    cards = {
        "lstm": TEXTS,
        "ptb": TOKENS,
        "wordpiece": TEXTS | OTHER_CUT,
        "ptb-2": TOKENS | {"seed": 2},
        "test": TEXTS | {"split": "test"},
        "old": OLD_TEXTS,
    }
    # The old card fits the first one, but not the one of another tokenizer in the same group.
    assert comparable_groups(cards) == [["lstm", "wordpiece"], ["ptb", "ptb-2"], ["test"], ["old"]]


@pytest.mark.parametrize("rule", COST_RULES, ids=lambda rule: rule.key)
def test_hardware_threads_and_kernels_matter_for_costs_alone(rule: Rule) -> None:
    other = changed(TOKENS, rule.key, "another one")
    assert named(TOKENS, other) == []
    assert [one.what for one in cost_differences([TOKENS, other])] == [rule.what]


def test_adapted_numbers_are_ranked_among_themselves() -> None:
    adapted = TOKENS | {"adaptation": {"kind": "dynamic", "settings": {}, "tried": 3}}
    (found,) = differences([TOKENS, adapted])
    assert (found.what, found.values) == ("the adaptation to the text", ("'none'", "'dynamic'"))
    assert differences([adapted, adapted | {"seed": 2}]) == []
    cards = {"a": TOKENS, "b": adapted, "c": adapted, "d": TOKENS}
    assert comparable_groups(cards) == [["a", "d"], ["b", "c"]]
