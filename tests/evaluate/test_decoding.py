"""A prompt and its continuation together are a text that the tokenizer reads back."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.loaded import LoadedRun, load_run

TOY_WORDS = ["toy-words-lstm", *(setting for setting in tiny.BRACKETS[1:] if "max_length" not in setting)]


@pytest.fixture(scope="module", params=["words", "characters", "whitespace"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    folder = tmp_path_factory.mktemp("decoding")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(folder / "runs"))
        patch.setenv("SEQLAB_CACHE", str(folder / "cache"))
        (folder / "book.txt").write_text(
            "the cat ran .\nthe dog ran and the cat sat .\n" * 20, encoding="utf-8"
        )
        sizes = [
            setting for setting in tiny.BRACKETS if setting.startswith(("model", "training", "samples.c"))
        ]
        run = tiny.fit(
            ["text-lm", f"data.path={folder / 'book.txt'}", f"data.tokenizer.kind={request.param}", *sizes]
        )
        return load_run(run)


@pytest.mark.parametrize("prompt", ["the cat", "the", ""])
def test_prompt_and_text_are_read_back_as_the_tokens_they_are_of(model: LoadedRun, prompt: str) -> None:
    options = SamplingOptions(temperature=1.0)
    (text,) = model.sample(prompt, count=1, length=5, options=options, seed=1)
    before = model.tokenizer.encode(prompt)
    whole = model.tokenizer.encode(prompt + text.text)
    assert whole[: len(before)] == before
    assert len(whole) == len(before) + 5


def test_a_space_at_the_end_of_the_prompt_is_not_doubled(model: LoadedRun) -> None:
    (text,) = model.sample("the ", count=1, length=3, options=SamplingOptions(), seed=1)
    if model.tokenizer.spec()["kind"] != "characters":
        assert not text.text.startswith(" ")


def test_a_language_of_words_is_judged_by_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    run = tiny.fit(TOY_WORDS, "samples.prompt=the cat", "samples.checked=20")
    words = set(load_run(run).tokenizer.vocabulary.tokens)
    for text in (sample.prompt + sample.text for sample in tiny.samples(run)):
        assert set(text.split()) <= words, text
    card = run.oracle_card()
    assert card is not None
    for wrong in card["explained"]:
        assert wrong["position"] > 1, "both words of the prompt are right"
