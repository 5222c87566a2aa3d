"""A model's distributions and the true ones, checked with models whose distributions are known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seqlab.data.batch import Batch
from seqlab.data.dataset import Dataset
from seqlab.data.sources.brackets import BracketsConfig
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.sources.grammar_sentences import ToyConfig
from seqlab.data.sources.ndfa import NdfaConfig
from seqlab.data.token_oracle import TokenOracle
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.languages.language import END
from seqlab.measure.oracle_comparison import compare
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.tasks.task_configs import LanguageModelConfig

SIZES: dict[str, Any] = {"train": 300, "valid": 40, "test": 5}
CONFIGS: dict[str, GeneratedConfig] = {
    "brackets": BracketsConfig(**SIZES, max_length=20),
    "ndfa": NdfaConfig(**SIZES),
    "toy by letters": ToyConfig(**SIZES),
    "toy by words": ToyConfig(**SIZES, tokenizer=WhitespaceConfig()),
}


class Table(SequenceModel):
    """Gives the logarithms of what a function of the written prefix returns."""

    capabilities = Capabilities(causal=True)

    def __init__(self, dataset: Dataset, gives: Callable[[str], dict[str, float]]):
        super().__init__()
        self.tokenizer, self.gives = dataset.tokenizer, gives
        self.head = nn.Identity()
        self.anchor = nn.Parameter(torch.zeros(1))

    def features(self, batch: Batch, state: State | None) -> tuple[torch.Tensor, State | None]:
        vocabulary = self.tokenizer.vocabulary
        y = torch.full((*batch.inputs.tokens.shape, len(vocabulary)), -50.0, dtype=torch.float64)
        for row, length in enumerate(batch.inputs.lengths.tolist()):
            for t in range(length):
                prefix = self.tokenizer.decode(batch.inputs.tokens[row, 1 : t + 1].tolist())
                for token, chance in self.gives(prefix).items():
                    y[row, t, vocabulary.ids[token]] = math.log(chance)
        return y, None


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_model_that_knows_the_truth_diverges_nowhere_and_accepts_everything(name: str) -> None:
    config = CONFIGS[name]
    dataset, language = config.build(), config.language()
    task, known = LanguageModelConfig().build(dataset), TokenOracle(language, dataset.tokenizer)
    model = Table(dataset, lambda prefix: dict(language.next_token(prefix)))
    found = compare(model, task, known, dataset.splits["valid"])
    assert len(found.divergence) == len(dataset.splits["valid"].text.tokens) + SIZES["valid"]
    assert np.abs(found.divergence).max() < 1e-12
    assert found.accepted.all()
    assert sorted(found.lengths) == sorted(dataset.splits["valid"].text.lengths)


def test_divergence_is_that_of_its_definition_by_position_and_by_depth() -> None:
    """Compared with a model that always gives: `(` 1/2, `)` 1/4, the end 1/4."""
    config = BracketsConfig(**SIZES)
    dataset, language = config.build(), config.language()
    task, known = LanguageModelConfig().build(dataset), TokenOracle(language, dataset.tokenizer)
    ours = {"(": 0.5, ")": 0.25, END: 0.25}
    found = compare(Table(dataset, lambda prefix: ours), task, known, dataset.splits["valid"])

    def divergence(prefix: str) -> float:
        return sum(p * math.log(p / ours[token]) for token, p in language.next_token(prefix).items())

    prefixes = [text[:n] for text in config.read().texts["valid"] for n in range(len(text) + 1)]
    depths = {prefix: prefix.count("(") - prefix.count(")") for prefix in prefixes}
    by_position, by_depth = found.curves("valid")
    for position, value in zip(by_position.x, by_position.y, strict=True):
        assert value == pytest.approx(np.mean([divergence(p) for p in prefixes if len(p) == position]))
    for depth, value in zip(by_depth.x, by_depth.y, strict=True):
        assert value == pytest.approx(np.mean([divergence(p) for p in prefixes if depths[p] == depth]))
    assert not found.accepted.any()


def test_a_text_is_accepted_where_every_position_is() -> None:
    """A model that takes depth 3 for depth 2 accepts just the texts that never go so deep."""
    config = BracketsConfig(**SIZES, max_length=12)
    dataset, language = config.build(), config.language()
    task, known = LanguageModelConfig().build(dataset), TokenOracle(language, dataset.tokenizer)

    def shallow(prefix: str) -> dict[str, float]:
        depth = prefix.count("(") - prefix.count(")")
        return {END: 1.0} if depth == 3 else dict(language.next_token(prefix))

    found = compare(Table(dataset, shallow), task, known, dataset.splits["valid"])
    assert found.accepted.tolist() == (found.deepest < 3).tolist()
    assert 0 < found.accepted.mean() < 1
    by_length, by_depth = found.acceptance("valid")
    assert dict(zip(by_depth.x, by_depth.y, strict=True))[1] == 1
    assert by_length.x == tuple(sorted(set(found.lengths.tolist())))


def test_a_comparison_depends_on_the_model_and_the_texts_alone() -> None:
    """Not on what was compared before, and not on the order of the texts."""
    config = BracketsConfig(**SIZES, max_length=20)
    dataset, language = config.build(), config.language()
    task, valid = LanguageModelConfig().build(dataset), dataset.splits["valid"]
    split = valid.select(np.flatnonzero(valid.text.lengths <= 6))

    def smoothed(prefix: str) -> dict[str, float]:
        """Wrong tokens are more likely than the rarest token of long texts, not than that of short ones."""
        right = dict(language.next_token(prefix))
        return {token: 0.7 * right.get(token, 0.0) + 0.1 for token in ("(", ")", END)}

    model, fresh = Table(dataset, smoothed), TokenOracle(language, dataset.tokenizer)
    first = compare(model, task, fresh, split)
    used = TokenOracle(language, dataset.tokenizer)
    for ids in dataset.splits["train"].text:
        used.walk(ids)
    rarest = [float(o.explorer.probabilities[o.explorer.probabilities > 0].min()) for o in (used, fresh)]
    assert rarest[0] / 2 < 0.1 < rarest[1] / 2
    assert first.accepted.all()
    for again in (compare(model, task, fresh, split), compare(model, task, used, split)):
        for field in dataclasses.fields(first):
            assert np.array_equal(getattr(first, field.name), getattr(again, field.name)), field.name
    order = np.arange(len(split))[::-1]
    reversed_order = compare(model, task, TokenOracle(language, dataset.tokenizer), split.select(order))
    assert reversed_order.accepted.all()
    assert np.array_equal(np.sort(reversed_order.divergence), np.sort(first.divergence))
