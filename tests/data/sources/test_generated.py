"""Generated datasets: sizes are checked before anything is generated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqlab.data.sources.adding import Adding1997Config, AddingConfig
from seqlab.data.sources.associative_recall import AssociativeRecallConfig
from seqlab.data.sources.brackets import BracketsConfig, DyckConfig
from seqlab.data.sources.copy_dataset import CopyConfig
from seqlab.data.sources.counting_dataset import CountingConfig
from seqlab.data.sources.grammar_sentences import GrammarConfig, ToyConfig
from seqlab.data.sources.marked_addition import MarkedAdditionConfig
from seqlab.data.sources.ndfa import NdfaConfig
from seqlab.data.sources.regular_languages import ParityConfig, RegularExpressionConfig, TomitaConfig
from seqlab.data.sources.seeded import SeededConfig
from seqlab.data.sources.temporal_order import TemporalOrderConfig
from seqlab.schema.errors import UserError

KINDS: dict[type[SeededConfig], dict[str, Any]] = {
    NdfaConfig: {},
    BracketsConfig: {},
    DyckConfig: {"opening": 0.6, "max_depth": 3},
    CountingConfig: {},
    ParityConfig: {"max_length": 20},
    TomitaConfig: {"number": 5},
    RegularExpressionConfig: {"pattern": "a+b"},
    ToyConfig: {},
    CopyConfig: {},
    AddingConfig: {},
    Adding1997Config: {},
    MarkedAdditionConfig: {},
    AssociativeRecallConfig: {},
    TemporalOrderConfig: {},
}
SMALL: dict[str, Any] = {"train": 2, "valid": 2, "test": 2}


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.__name__)
def test_a_split_that_is_too_large_is_refused_with_its_setting(kind: type[SeededConfig], split: str) -> None:
    settings: dict[str, Any] = {**KINDS[kind], **SMALL, split: 10**12}
    config = kind(**settings)
    with pytest.raises(UserError, match=rf"'{split}' must .*Got 1,000,000,000,000 texts.*Nearest: {split}="):
        config.read()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (AddingConfig(length=10**9), "Got 10,000 texts of 1,000,000,000 tokens"),
        (MarkedAdditionConfig(length=10**9), "Got 10,000 texts of 1,000,000,000 tokens"),
        (TemporalOrderConfig(length=10**9), "Got 10,000 texts of 1,100,000,000 tokens"),
        (CopyConfig(length=10**9), "follows from 'length' and 'gap'"),
        (CountingConfig(stop=1e-8), "follows from 'stop'"),
        (ParityConfig(stop=1e-8), r"follows from the probability to end \('stop'\)"),
        (DyckConfig(opening=0.6, max_depth=50), "follows from 'opening' and 'max_depth'"),
        (BracketsConfig(max_length=10**9), "Got 1,000,000,000"),
        (BracketsConfig(max_length=10, longer_max_length=10**9), "'longer' must"),
        (BracketsConfig(max_length=10, longer_max_length=10**7, longer=1), "at most 1,000,000"),
    ],
)
def test_texts_that_are_too_long_are_refused_with_their_setting(config: SeededConfig, words: str) -> None:
    with pytest.raises(UserError, match=words):
        config.read()


def test_longer_strings_that_are_too_rare_are_refused_instead_of_left_out() -> None:
    config = CountingConfig(stop=0.9, max_length=640, longer_max_length=700, longer=1, **SMALL)
    with pytest.raises(UserError, match=r"must have strings of 6\d\d to 6\d\d tokens.*likely enough"):
        config.read()


def test_few_strings_of_a_practically_endless_language_can_be_limited() -> None:
    texts = DyckConfig(opening=0.6, max_depth=50, max_length=10, **SMALL).read().texts["train"]
    assert all(len(text) <= 10 for text in texts)


def test_words_of_a_grammar_are_not_those_that_models_use(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[rules]\ns = ["a .pad", "b"]\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"must not be tokens that models use for themselves\. Got '\.pad'"):
        GrammarConfig(path=str(path), **SMALL).read()


@pytest.mark.parametrize("choices", ["{a = true}", '{a = "1"}', "3", '["a", "a"]', '["a", 2]'])
def test_choices_are_texts_or_have_numbers_as_probabilities(choices: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"[rules]\ns = {choices}\n", encoding="utf-8")
    with pytest.raises(UserError, match="Rule 's' must be a list of different texts, or a table"):
        GrammarConfig(path=str(path), **SMALL).read()
