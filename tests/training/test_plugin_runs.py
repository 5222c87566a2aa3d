"""Runs with kinds of installed packages: package, version and code decide which run it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import installed
import pytest
import tiny

from seqlab.schema.errors import UserError
from seqlab.training import run

RECIPE = [
    *tiny.REVIEWS,
    "training.optimizer.kind=plain",
    "training.optimizer.learning_rate=0.05",
    "task.metrics=loss,accuracy,gap",
]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    tiny.register(monkeypatch)
    installed.install(tmp_path / "site", monkeypatch)
    yield
    installed.forget()


def test_a_run_records_the_package(tmp_path: Path) -> None:
    made = tiny.fit(RECIPE)
    assert made.environment()["versions"]["lab-kinds"] == "1.0"
    assert 0 < made.summary()["metrics"]["gap"] < 1
    assert "lab-kinds" not in tiny.fit(tiny.REVIEWS).environment()["versions"]


@pytest.mark.parametrize(
    ("recipe", "change"),
    [
        (RECIPE, {"version": "1.1"}),
        (RECIPE, {"files": {**installed.PACKAGE, "metric.py": f"{installed.METRIC}\n# changed\n"}}),
        ([*tiny.REVIEWS, "task.metrics=loss,accuracy,gap"], {"version": "1.1"}),
    ],
)
def test_another_version_or_other_code_is_another_run(
    recipe: list[str], change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, plain = (run.run_reference(tiny.configure(each)) for each in (recipe, tiny.REVIEWS))
    installed.install(tmp_path / "site", monkeypatch, **change)
    assert run.run_reference(tiny.configure(recipe)) != first
    assert run.run_reference(tiny.configure(tiny.REVIEWS)) == plain
    installed.install(tmp_path / "site", monkeypatch)
    assert run.run_reference(tiny.configure(recipe)) == first


def test_a_run_is_not_resumed_with_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = tiny.broken_off([*RECIPE, "training.checkpoint_seconds=0"], step=3)
    installed.install(tmp_path / "site", monkeypatch, version="1.1")
    with pytest.raises(UserError, match=r"or the code of lab-kinds \(then 1.0, now 1.1\) was"):
        run.resume(killed, callback=tiny.Nobody())
    installed.install(tmp_path / "site", monkeypatch)
    assert run.resume(killed, callback=tiny.Nobody())["steps"]


TOKENIZER = '''
import dataclasses
from typing import Literal
from seqlab.data.tokenizers.tokenizer import TokenizerConfig, sequence_vocabulary, specials, vocabulary_from
from seqlab.data.tokenizers.word_level import WordLevel, by_frequency

def split(text):
    return text.split(" ")

class SplitConfig(TokenizerConfig):
    """Texts split at spaces."""

    kind: Literal["split"] = "split"
    """Name of the tokenizer."""

    def train(self, texts, *, running=False):
        return Split(sequence_vocabulary((*specials(running=False), *by_frequency(texts, split, 1))))

    def restore(self, spec):
        return Split(vocabulary_from(spec))

class Split(WordLevel):
    def split(self, text):
        return split(text)

    def decode(self, ids):
        return " ".join(self.vocabulary.names(ids))

    def spec(self):
        return {"kind": "split", "vocabulary": dataclasses.asdict(self.vocabulary)}
'''


def test_texts_are_encoded_again_with_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = "kinds = {'tokenizers': {'split': ('lab_kinds.tokenizer:SplitConfig', 'split')}}"
    vocabularies = list[tuple[str, ...]]()
    for separator in (" ", "o", " "):
        code = TOKENIZER.replace('split(" ")', f'split("{separator}")')
        files = {"__init__.py": kinds, "tokenizer.py": code}
        installed.install(tmp_path / "site", monkeypatch, files=files)
        config = tiny.configure([*tiny.REVIEWS, "data.tokenizer.kind=split"])
        vocabularies.append(config.dataset().tokenizer.vocabulary.tokens)
    assert vocabularies[0] != vocabularies[1]
    assert vocabularies[0] == vocabularies[2]
