"""A run is compared with the true distribution of its data: exact shares, an exact floor."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from seqlab.data import oracle_floor as truth
from seqlab.data.sources.brackets import OPEN, BracketsConfig
from seqlab.evaluate.oracle_check import oracle_check
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Scalar, Text


@pytest.fixture
def tiny_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tiny.fit(tiny.BRACKETS)


def test_a_finished_run_has_a_card_with_its_distance_to_the_truth(tiny_run: RunFolder) -> None:
    card = tiny_run.oracle_card()
    assert card is not None
    metrics, loss = card["metrics"], tiny.summary(tiny_run)["metrics"]["loss"]
    config = tiny.configure(tiny.BRACKETS).data
    assert isinstance(config, BracketsConfig)
    assert metrics["floor"] == truth.floor(config.language(), config.build(), "valid")
    assert metrics["floor"] + metrics["above_floor"] == pytest.approx(loss)
    assert metrics["above_floor"] > 0
    assert sum(metrics[f"{what}_samples"] for what in ("valid", "cut", "wrong")) == pytest.approx(1)
    assert metrics["divergence"] >= 0
    assert metrics["entropy"] == config.language().entropy().per_token
    assert metrics["samples_passing_legacy_check"] >= metrics["valid_samples"]
    assert metrics["expected_complete_samples"] == pytest.approx(sum(walk_shares("", 8).values()))
    assert 0 < metrics["expected_length_distance"] < 0.2
    assert "50 samples of at most 8 tokens" in card["scored_as"]
    for one in card["explained"]:
        error = config.language().first_error(one["text"])
        assert error is not None
        assert [one["position"], one["token"], one["allowed"]] == [
            error.position,
            error.token,
            list(error.allowed),
        ]


def walk_shares(prompt: str, limit: int) -> dict[int, float]:
    """Probabilities of the lengths of brackets with a prompt: a walk over the number of open brackets.

    Of at most 20 brackets, as `tiny.BRACKETS` has them, and of those of at most `limit` after the prompt.
    """
    shares, walk = dict[int, float](), {prompt.count("(") - prompt.count(")"): 1.0}
    for written in range(21 - len(prompt)):
        shares[len(prompt) + written] = walk.pop(0, 0.0) if prompt or written else 0.0
        moved = dict[int, float]()
        for depth, probability in walk.items() if prompt or written else [(0, 1.0)]:
            for step, share in ((1, OPEN), (-1, 1 - OPEN)) if depth else ((1, 1.0),):
                moved[depth + step] = moved.get(depth + step, 0.0) + probability * share
        walk = moved
    whole = sum(shares.values())
    return {n: share / whole for n, share in shares.items() if share and n <= len(prompt) + limit}


@pytest.mark.parametrize("prompt", ["((", ""])
def test_what_is_expected_follows_the_prompt_and_the_limit_of_samples(
    prompt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    run = tiny.fit(tiny.BRACKETS, f"samples.prompt={prompt}", "samples.max_tokens=10")
    card = run.oracle_card()
    assert card is not None
    shares = walk_shares(prompt, 10)
    assert card["metrics"]["expected_complete_samples"] == pytest.approx(sum(shares.values()))
    (expected,) = [r for r, _ in run.records() if isinstance(r, Curve) and r.split == "oracle"]
    assert dict(zip(expected.x, expected.y, strict=True)) == pytest.approx(
        {length: share / sum(shares.values()) for length, share in shares.items()}
    )


def test_prompts_of_random_texts_are_expected_as_often_as_they_were_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    config = tiny.configure(tiny.BRACKETS, "samples.prompt_tokens=3", "samples.max_tokens=7")
    check = oracle_check(NetworkExperiment(config, config.dataset(), torch.device("cpu")))
    assert check is not None
    texts = check.draw(40, "check", 1)
    prompts = [text.prompt for text in texts]
    complete = [1.0 if prompt == "()" else sum(walk_shares(prompt, 7).values()) for prompt in prompts]
    assert len(set(prompts)) > 1
    assert check.expected(texts).complete == pytest.approx(sum(complete) / len(texts))


def test_each_validation_records_divergence_and_shares(tiny_run: RunFolder) -> None:
    records = [(record, moment) for record, moment in tiny_run.records() if not isinstance(record, Text)]
    shares = [(r, m) for r, m in records if isinstance(r, Scalar) and r.split == "samples"]
    moments = {m.step for r, m in records if isinstance(r, Scalar) and (r.name, r.split) == ("loss", "valid")}
    assert {m.step for _, m in shares} == moments
    assert {"valid_samples", "complete_samples", "distinct_samples"} <= {r.name for r, _ in shares}
    curves = {r.name: r for r, _ in records if isinstance(r, Curve)}
    assert set(curves) == {"divergence_by_position", "divergence_by_depth", "lengths"}
    assert curves["divergence_by_position"].y[0] == pytest.approx(curves["divergence_by_depth"].y[0], rel=5)


def test_beyond_the_longest_text_of_training_recognition_is_told_by_length_and_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    run = tiny.fit(tiny.BRACKETS, "data.max_length=10", "data.longer_max_length=14", "data.longer=12")
    card = run.oracle_card()
    assert card is not None
    metrics = card["metrics"]
    assert 0 <= metrics["accepted_longer"] <= 1
    curves = {(r.name, r.split): r for r, _ in run.records() if isinstance(r, Curve)}
    assert curves["accepted_by_length", "longer"].x == (12.0, 14.0)
    assert ("accepted_by_depth", "longer") in curves


@pytest.mark.parametrize("prompt", ["samples.prompt=((", "samples.prompt_tokens=3"])
def test_samples_that_are_checked_go_on_from_their_prompts(
    prompt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    config = tiny.configure(tiny.BRACKETS, prompt)
    check = oracle_check(NetworkExperiment(config, config.dataset(), torch.device("cpu")))
    assert check is not None
    texts = check.draw(50, "check", 1)
    assert texts == check.draw(50, "check", 1) != check.draw(50, "check", 2)
    valid = config.data.read().texts["valid"]
    for text in texts:
        if "tokens" in prompt:
            assert any(known.startswith(text.prompt) for known in valid)
        else:
            assert text.prompt == "(("


def test_a_prompt_that_no_text_begins_with_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    config = tiny.configure(tiny.BRACKETS, "samples.prompt=()(")
    with pytest.raises(
        UserError, match=r"'samples\.prompt': .*Got '\(\)\('; after '\(\)' only these can follow: '\.end'"
    ):
        NetworkExperiment(config, config.dataset(), torch.device("cpu"))


@pytest.mark.parametrize("change", ["data.tokenizer.kind=bytes", "training.fit_on=train+valid"])
def test_where_the_truth_cannot_be_asked_there_is_no_card(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks of characters, and of a split that nothing was learned from."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    run = tiny.fit(tiny.BRACKETS, change)
    assert run.finished
    assert run.oracle_card() is None
