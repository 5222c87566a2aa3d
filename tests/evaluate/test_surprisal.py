"""Surprisals, against models read token by token, exact probabilities, and the loss of a whole split."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import tiny
import torch
from small_language_models import MODELS
from torch.nn import functional

from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.explain import choose_explainer
from seqlab.evaluate.loaded import load_run, read_dataset
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.text_explanation import TextExplanation
from seqlab.training import run as training_run

RUNNING = [
    *(
        "data.kind=text",
        "data.tokenizer.kind=characters",
        "batching.sequence_length=7",
        "batching.batch_size=3",
    ),
    *(
        "training.schedule.kind=constant",
        "training.epochs=1",
        "training.max_steps=3",
        "training.tensorboard=false",
    ),
]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def explained(run: RunFolder, text: str) -> TextExplanation:
    (found,) = choose_explainer(load_run(run)).texts([text])
    return found


@pytest.mark.parametrize("model", [[], ["model.kind=transformer-lm", *MODELS["transformer"]]])
def test_equal_to_the_model_step_by_step_and_to_the_true_distribution(model: list[str]) -> None:
    small = [*tiny.BRACKETS] if not model else [s for s in tiny.BRACKETS if "embedding_size" not in s]
    run = tiny.fit(small, *model)
    loaded, text = load_run(run), "(()())"
    found = explained(run, text)
    vocabulary = loaded.tokenizer.vocabulary
    assert vocabulary.start is not None
    targets = [*map(vocabulary.id, text), vocabulary.end]
    state, previous, bits = loaded.model.start(1), vocabulary.start, []
    with torch.no_grad():
        for target in targets:
            logits, state = loaded.model.step(torch.tensor([previous]), state)
            bits.append(-functional.log_softmax(logits[0].double(), 0)[target].item() / math.log(2))
            previous = target
    assert [word.effect for word in found.words] == pytest.approx(bits, rel=1e-5)
    assert found.value == pytest.approx(sum(bits), rel=1e-5)
    assert found.targets == 7
    assert [word.text for word in found.words] == [*text, ".end"]
    assert [word.start for word in found.words] == [0, 1, 2, 3, 4, 5, None]


def test_the_floor_is_that_of_the_language() -> None:
    """A balanced string opens with (, then each further ( has probability 7/16 as long as one is open."""
    run = tiny.fit(tiny.BRACKETS, "data.max_length=none", "batching.tokens=1000")
    found = explained(run, "(())")
    opened, closed = -math.log2(7 / 16), -math.log2(9 / 16)
    assert [word.floor for word in found.words] == pytest.approx([0.0, opened, closed, closed, 0.0])
    assert found.floor == pytest.approx(opened + 2 * closed)
    wrong = explained(run, "())(")
    assert [word.floor for word in wrong.words] == [0.0, pytest.approx(closed), None, None, None]
    assert wrong.floor is None
    assert (found.possible, wrong.possible, explained(run, ")").possible) == (5, 2, 0)
    assert all(word.effect is not None for word in wrong.words)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_surprisal_of_a_split_is_its_loss(folders: Path, name: str) -> None:
    path = folders / "own.txt"
    path.write_text("".join(f"{index} bottles of beer\n" for index in range(40)), encoding="utf-8")
    recipe = [f"ptb-{name}", *RUNNING, *MODELS[name], f"data.path={path}"]
    config = tiny.configure(recipe)
    run = tiny.run_folder.open_run(Path(training_run.train(config, callback=tiny.Nobody())["run"]))
    dataset = read_dataset(run, config)
    text = dataset.tokenizer.decode(dataset.splits["valid"].text.tokens.tolist())
    found = explained(run, text)
    card = evaluate_run(run, "valid", ["loss"])
    assert found.targets == card["targets"] == len(text)
    assert found.value == pytest.approx(card["metrics"]["loss"] * len(text) / math.log(2), rel=1e-5)
    assert (found.floor, found.possible) == (None, None)
    assert all(word.floor is None for word in found.words)


def test_tokens_of_one_character_are_one_word(folders: Path) -> None:
    path = folders / "own.txt"
    path.write_text("über Bären und Füchse\n" * 30, encoding="utf-8")
    recipe = ["ptb-lstm", *RUNNING, *MODELS["lstm"], f"data.path={path}", "data.tokenizer.kind=bytes"]
    found = explained(tiny.fit(recipe), "für")
    assert [word.text for word in found.words] == ["f", "ü", "r"]
    assert [len(word.tokens) for word in found.words] == [1, 2, 1]
    assert found.targets == 4
    assert sum(word.effect or 0 for word in found.words) == pytest.approx(found.value)


def test_words_that_are_not_known_are_marked(folders: Path) -> None:
    path = folders / "own.txt"
    path.write_text("a cat sat and a dog ran\n" * 30, encoding="utf-8")
    recipe = ["ptb-lstm", *RUNNING, *MODELS["lstm"], f"data.path={path}", "data.tokenizer.kind=whitespace"]
    found = explained(tiny.fit(recipe), "a zebra sat")
    assert [word.status for word in found.words] == ["read", "unknown", "read"]
    assert found.words[1].tokens != ("zebra",)


def test_a_text_without_characters_has_no_surprisal() -> None:
    assert explained(tiny.fit(tiny.BRACKETS), " ").value is None


@pytest.mark.parametrize("option", [{"label": "a"}, {"steps": 3}, {"method": "occlusion"}])
def test_options_of_classifiers_are_refused(option: dict[str, object]) -> None:
    loaded = load_run(tiny.fit(tiny.BRACKETS))
    with pytest.raises(UserError, match="for a language model"):
        choose_explainer(loaded, **option)  # type: ignore[arg-type]
    assert choose_explainer(loaded, method="surprisal").method == "surprisal"
