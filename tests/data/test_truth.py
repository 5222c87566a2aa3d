"""Exact probabilities of generated texts, against counting, closed forms and a model that knows them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seqlab.data import brackets, ndfa
from seqlab.data.batch import Batch
from seqlab.data.batching import RowsConfig
from seqlab.data.brackets import OPEN, BracketsConfig
from seqlab.data.dataset import Dataset
from seqlab.data.generated import GeneratedConfig
from seqlab.data.ndfa import NdfaConfig
from seqlab.data.tokenizers import END
from seqlab.data.truth import floor, nats
from seqlab.measure.evaluate import evaluate
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar
from seqlab.tasks.configs import LanguageModelConfig

SIZES: dict[str, Any] = {"train": 30_000, "valid": 300, "test": 10, "seed": 5}
LIMITED = BracketsConfig(**SIZES, max_length=12)
CONFIGS: dict[str, GeneratedConfig] = {
    "brackets": BracketsConfig(**SIZES),
    "brackets-limited": LIMITED,
    "brackets-odd-limit": BracketsConfig(**SIZES, max_length=7),
    "ndfa": NdfaConfig(**SIZES),
}
TEXTS = {name: config.read().texts["train"] for name, config in CONFIGS.items()}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))


def walk(depth: int, steps: int) -> float:
    """P(a walk from `depth` is at 0 within so many steps), by the reflection principle."""

    def below(least_ups: int) -> float:
        return sum(
            math.comb(steps, ups) * OPEN**ups * (1 - OPEN) ** (steps - ups) for ups in range(least_ups)
        )

    # S = 2 ups - steps; P(S <= -d) + (q/p)^d P(S > d)
    at_most = below((steps - depth) // 2 + 1) if steps >= depth else 0.0
    above = 1 - below((steps + depth) // 2 + 1)
    return at_most + ((1 - OPEN) / OPEN) ** depth * above


@pytest.mark.parametrize("name", CONFIGS)
@given(data=st.data())
def test_a_distribution_sums_to_one_behind_every_prefix(name: str, data: st.DataObject) -> None:
    config, text = CONFIGS[name], data.draw(st.sampled_from(TEXTS[name]))
    prefix = text[: data.draw(st.integers(0, len(text)))]
    chances = config.next_token(prefix)
    assert sum(chances.values()) == pytest.approx(1, abs=1e-12)
    assert min(chances.values()) >= 0
    assert chances == config.next_token(prefix)


@pytest.mark.parametrize("name", CONFIGS)
@given(data=st.data())
def test_a_text_has_the_product_of_its_tokens(name: str, data: st.DataObject) -> None:
    config, text = CONFIGS[name], data.draw(st.sampled_from(TEXTS[name]))
    product = math.prod(config.next_token(text[:i])[token] for i, token in enumerate([*text, END]))
    assert math.exp(-nats(config, text)) == pytest.approx(product, rel=1e-9)


@pytest.mark.parametrize("name", CONFIGS)
def test_texts_are_drawn_as_often_as_their_probability_says(name: str) -> None:
    config, texts = CONFIGS[name], TEXTS[name]
    counts = Counter(texts)
    for text, count in counts.most_common(12):
        probability = math.exp(-nats(config, text))
        spread = math.sqrt(probability * (1 - probability) / len(texts))
        assert abs(count / len(texts) - probability) < 4.5 * spread


def test_brackets_without_a_limit_have_the_probability_of_their_walk() -> None:
    assert nats(BracketsConfig(), "(()())") == pytest.approx(-2 * math.log(OPEN) - 3 * math.log(1 - OPEN))


@pytest.mark.parametrize("limit", [2, 7, 12])
def test_probabilities_of_all_short_brackets_add_up_to_one(limit: int) -> None:
    config = BracketsConfig(max_length=limit)
    signs = (s for length in range(limit + 3) for s in itertools.product("()", repeat=length))
    assert sum(math.exp(-nats(config, "".join(s))) for s in signs) == pytest.approx(1, abs=1e-9)


def test_under_a_limit_the_distribution_is_that_of_a_walk_that_ends_in_time() -> None:
    for prefix in ("(", "((", "(()(", "((((("):
        depth, rest = prefix.count("(") - prefix.count(")"), 12 - len(prefix)
        expected = OPEN * walk(depth + 1, rest - 1) / walk(depth, rest)
        assert LIMITED.next_token(prefix)["("] == pytest.approx(expected, rel=1e-9)


def test_a_far_limit_changes_little() -> None:
    assert BracketsConfig(max_length=2000).next_token("((")["("] == pytest.approx(OPEN, abs=1e-6)


@pytest.mark.parametrize("text", ["", "(", "())", ")(", "()()", "x"])
def test_what_is_never_drawn_costs_endless_nats(text: str) -> None:
    assert nats(BracketsConfig(), text) == math.inf


@pytest.mark.parametrize("text", ["", "s", "sabc!uvw!s", "sabcs", "sss"])
def test_what_the_automaton_never_writes_costs_endless_nats(text: str) -> None:
    assert nats(NdfaConfig(), text) == math.inf


@pytest.mark.parametrize("prefix", ["x", ")", "())", "()("])
def test_no_bracket_sample_begins_so(prefix: str) -> None:
    with pytest.raises(UserError, match=r"A prefix must be the beginning of a sample\. Got "):
        BracketsConfig().next_token(prefix)


@pytest.mark.parametrize("prefix", ["x", "sb", "sabc!u", "ssa", "abc!"])
def test_no_automaton_sample_begins_so(prefix: str) -> None:
    with pytest.raises(UserError, match=r"A prefix must be the beginning of a sample\. Got "):
        NdfaConfig().next_token(prefix)


def test_no_sample_under_a_limit_begins_with_more_than_can_be_closed() -> None:
    with pytest.raises(UserError, match=r"Got '\(\(\('"):
        BracketsConfig(max_length=4).next_token("(((")


@pytest.mark.parametrize(
    ("config", "rate"),
    [(BracketsConfig(), brackets.entropy_rate()), (NdfaConfig(), ndfa.entropy_rate())],
    ids=["brackets", "ndfa"],
)
def test_the_entropy_rate_is_what_many_samples_cost(config: GeneratedConfig, rate: float) -> None:
    texts = config.model_copy(update={"train": 20_000}).read().texts["train"]
    costs = {text: nats(config, text) for text in set(texts)}
    tokens = sum(len(text) + 1 for text in texts)
    mean = sum(costs[text] for text in texts) / tokens
    # The standard error of a ratio of means.
    residues = sum((costs[text] - rate * (len(text) + 1)) ** 2 for text in texts)
    assert abs(mean - rate) < 4 * math.sqrt(residues) / tokens


class Knowing(SequenceModel):
    """Gives each token the log of its exact probability."""

    capabilities = Capabilities(causal=True)

    def __init__(self, config: GeneratedConfig, dataset: Dataset):
        super().__init__()
        self.config, self.tokenizer = config, dataset.tokenizer
        self.head = nn.Identity()
        self.anchor = nn.Parameter(torch.zeros(1))

    def features(self, batch: Batch, state: State | None) -> tuple[torch.Tensor, State | None]:
        vocabulary = self.tokenizer.vocabulary
        y = torch.full((*batch.tokens.shape, len(vocabulary)), -math.inf, dtype=torch.float64)
        for row, length in enumerate(batch.lengths.tolist()):
            for t in range(length):
                prefix = self.tokenizer.decode(batch.tokens[row, : t + 1].tolist())
                for token, chance in self.config.next_token(prefix).items():
                    y[row, t, vocabulary.id(token)] = math.log(chance) if chance else -math.inf
        return y, None


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_that_knows_the_truth_is_at_the_floor(name: str) -> None:
    config = CONFIGS[name]
    dataset = config.build()
    task = LanguageModelConfig().build(dataset)
    batches = task.batches(dataset.splits["valid"], RowsConfig(rows=50), None)
    (loss,) = evaluate(Knowing(config, dataset), task, batches, split="valid", metrics=["loss"], carry=False)
    assert isinstance(loss, Scalar)
    assert loss.value == pytest.approx(floor(config, dataset, "valid"), abs=1e-7)
