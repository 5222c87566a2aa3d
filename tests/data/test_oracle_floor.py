"""Exact probabilities of generated texts, against counting, closed forms and a model that knows them."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seqlab.data.batch import Batch
from seqlab.data.batching import SequencesConfig
from seqlab.data.dataset import Dataset
from seqlab.data.oracle_floor import floor
from seqlab.data.sources.brackets import OPEN, BracketsConfig
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.sources.ndfa import NdfaConfig
from seqlab.measure.evaluate import evaluate
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar
from seqlab.tasks.task_configs import LanguageModelConfig

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
def test_texts_are_drawn_as_often_as_their_probability_says(name: str) -> None:
    config, texts = CONFIGS[name], TEXTS[name]
    counts, language = Counter(texts), config.language()
    for text, count in counts.most_common(12):
        probability = math.exp(-language.nats(text))
        spread = math.sqrt(probability * (1 - probability) / len(texts))
        assert abs(count / len(texts) - probability) < 4.5 * spread


def test_brackets_without_a_limit_have_the_probability_of_their_walk() -> None:
    language = BracketsConfig().language()
    assert language.nats("(()())") == pytest.approx(-2 * math.log(OPEN) - 3 * math.log(1 - OPEN))


def test_under_a_limit_the_distribution_is_that_of_a_walk_that_ends_in_time() -> None:
    for prefix in ("(", "((", "(()(", "((((("):
        depth, rest = prefix.count("(") - prefix.count(")"), 12 - len(prefix)
        expected = OPEN * walk(depth + 1, rest - 1) / walk(depth, rest)
        assert LIMITED.language().next_token(prefix)["("] == pytest.approx(expected, rel=1e-9)


def test_a_far_limit_changes_little() -> None:
    assert BracketsConfig(max_length=2000).language().next_token("((")["("] == pytest.approx(OPEN, abs=1e-6)


def test_no_sample_under_a_limit_begins_with_more_than_can_be_closed() -> None:
    with pytest.raises(UserError, match=r"Got '\(\(\('; after '\(\(' only these can follow: '\)'"):
        BracketsConfig(max_length=4).language().next_token("(((")


@pytest.mark.parametrize("name", CONFIGS)
def test_the_floor_is_the_mean_of_exact_costs(name: str) -> None:
    config, language = CONFIGS[name], CONFIGS[name].language()
    texts = config.read().texts["valid"]
    costs = sum(language.nats(text) for text in texts) / sum(len(text) + 1 for text in texts)
    assert floor(language, config.build(), "valid") == pytest.approx(costs, rel=1e-12)


def test_the_split_far_has_every_length_beyond_the_limit_equally_often() -> None:
    config = BracketsConfig(train=50, valid=10, test=10, max_length=10, longer_max_length=20, longer=50)
    far = config.read().texts["longer"]
    assert Counter(map(len, far)) == {12: 10, 14: 10, 16: 10, 18: 10, 20: 10}
    assert all(map(BracketsConfig().language().is_member, far))
    assert max(map(len, config.read().texts["train"])) <= 10
    assert set(config.build().splits) == {"train", "valid", "test", "longer"}


def test_a_split_far_needs_a_limit_and_strings() -> None:
    with pytest.raises(UserError, match=r"'longer_max_length' must be above 'max_length', None\. Got 9\."):
        parse(BracketsConfig, {"kind": "brackets", "longer_max_length": 9})
    with pytest.raises(UserError, match=r"There must be strings of 11 to 11 tokens"):
        BracketsConfig(max_length=10, longer_max_length=11).read()


class Knowing(SequenceModel):
    """Gives each token the log of its exact probability."""

    capabilities = Capabilities(causal=True)

    def __init__(self, config: GeneratedConfig, dataset: Dataset):
        super().__init__()
        self.language, self.tokenizer = config.language(), dataset.tokenizer
        self.head = nn.Identity()
        self.anchor = nn.Parameter(torch.zeros(1))

    def features(self, batch: Batch, state: State | None) -> tuple[torch.Tensor, State | None]:
        vocabulary = self.tokenizer.vocabulary
        y = torch.full((*batch.inputs.tokens.shape, len(vocabulary)), -math.inf, dtype=torch.float64)
        for row, length in enumerate(batch.inputs.lengths.tolist()):
            for t in range(length):
                prefix = self.tokenizer.decode(batch.inputs.tokens[row, : t + 1].tolist())
                for token, chance in self.language.next_token(prefix).items():
                    y[row, t, vocabulary.id(token)] = math.log(chance)
        return y, None


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_that_knows_the_truth_is_at_the_floor(name: str) -> None:
    config = CONFIGS[name]
    dataset = config.build()
    task = LanguageModelConfig().build(dataset)
    batches = task.batches(dataset.splits["valid"], SequencesConfig(batch_size=50), None)
    (loss,) = evaluate(Knowing(config, dataset), task, batches, split="valid", metrics=["loss"])
    assert isinstance(loss, Scalar)
    assert loss.value == pytest.approx(floor(config.language(), dataset, "valid"), abs=1e-7)
