"""Ensembles of language models, compared with the probabilities of their members, token by token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from scipy import optimize

from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.fitted import Fitted, loader
from seqlab.evaluate.fitted_mixture import aligned
from seqlab.evaluate.loaded import read_config, read_dataset
from seqlab.experiment import recipes
from seqlab.measure.metric import Scored
from seqlab.runs import checkpoints, run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.training import run as training_run
from seqlab.training.make_ensemble import make_ensemble

TEXT = [
    "data.kind=text",
    "data.tokenizer.kind=characters",
    "batching.sequence_length=8",
    "batching.batch_size=3",
    "model.embedding_size=4",
    "model.hidden_size=4",
    "model.layers=1",
    "training.schedule.kind=constant",
    "training.tensorboard=false",
    "training.max_steps=40",
    "training.optimizer.learning_rate=1",
    "samples.count=0",
]
METRICS = ("loss", "perplexity", "bits_per_token", "accuracy")


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One folder for all tests: a run that one of them has made is loaded by the others."""
    folder = tmp_path_factory.mktemp("mixtures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(folder / "runs"))
        patch.setenv("SEQLAB_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        for name, word in (("own", "beer"), ("other", "wine")):
            lines = "".join(f"{index} bottles of {word}\n" for index in range(40))
            Path(f"{name}.txt").write_text(lines, encoding="utf-8")
        yield


def network(*more: str, name: str = "net", text: str = "own") -> RunFolder:
    return tiny.fit(["ptb-lstm", *TEXT, f"data.path={text}.txt", f"name={name}", *more])


def gram(*more: str, name: str = "gram") -> RunFolder:
    settings = ["data.tokenizer.kind=characters", "data.path=own.txt", f"name={name}", *more]
    config, _ = recipes.configure("text-5gram", settings)
    return run_folder.open_run(Path(training_run.train(config, callback=tiny.Nobody())["run"]))


def mixture(*members: RunFolder, settings: tuple[str, ...] = ()) -> RunFolder:
    made = make_ensemble([member.path for member in members], settings, callback=tiny.Nobody())
    return run_folder.open_run(Path(made["run"]))


def fitted(run: RunFolder) -> Fitted:
    config = read_config(run)
    return loader(config).fitted(run, read_dataset(run, config), torch.device("cpu"))


def probabilities(run: RunFolder, split: str) -> torch.Tensor:
    """Those of every token of the vocabulary at every position, (N, V)."""
    with torch.no_grad():
        scores = fitted(run).token_scores(split, outputs=True)
        return torch.cat([each.logits.double().softmax(1) for each in scores])


def targets(run: RunFolder, split: str) -> torch.Tensor:
    return torch.from_numpy(np.array(fitted(run).dataset.splits[split].text.tokens).astype(np.int64))


def test_it_is_the_mean_of_the_probabilities_with_the_best_weights() -> None:
    members = network(), gram("baseline.order=1", name="unigram")
    made = mixture(*members)
    each = [probabilities(member, "valid") for member in members]
    expected = targets(made, "valid")
    hits = np.stack([p[torch.arange(len(expected)), expected].numpy() for p in each])

    def loss(share: float) -> float:
        return -np.log(share * hits[0] + (1 - share) * hits[1]).mean()

    best: Any = optimize.minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    card = made.card("valid")
    assert card is not None
    assert card["metrics"]["loss"] == pytest.approx(best.fun, abs=1e-6)
    shares = list(card["budget"]["members"].values())
    assert shares[0] == pytest.approx(best.x, abs=1e-3)
    assert 0.01 < shares[0] < 0.99, "both count"
    assert card["metrics"]["loss"] < min(loss(0), loss(1))
    mean = shares[0] * each[0] + shares[1] * each[1]
    assert card["metrics"]["accuracy"] == (mean.argmax(1) == expected).double().mean().item()
    torch.testing.assert_close(probabilities(made, "valid"), mean, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(mean.sum(1), torch.ones(len(expected), dtype=torch.float64))
    assert set(card["metrics"]) == set(METRICS)
    assert card["scored_as"].startswith("mean of the probabilities of 2 runs, weighted ")
    assert "1 stream, state carried from start to end; 1 stream, every token" in card["scored_as"]


def test_test_is_scored_with_the_weights_of_validation() -> None:
    members = network(), gram()
    made = mixture(*members)
    kept = json.loads((made.checkpoints / checkpoints.name(0) / checkpoints.ENSEMBLE).read_text())
    card = evaluate_run(made, "test", ())
    assert list(card["budget"]["members"].values()) == kept["shares"]
    each = [probabilities(member, "test") for member in members]
    expected = targets(made, "test")
    mean = kept["shares"][0] * each[0] + kept["shares"][1] * each[1]
    by_hand = -mean[torch.arange(len(expected)), expected].log()
    scores = made.scores("test")
    assert scores is not None
    assert scores.nats == pytest.approx(by_hand.numpy(), rel=1e-5)
    assert card["metrics"]["loss"] == pytest.approx(by_hand.mean().item(), rel=1e-6)
    assert (card["test_evaluations"], card["targets"]) == (1, len(expected))
    # Without a metric of all outputs only those of the targets are mixed.
    assert evaluate_run(made, "test", ("loss",))["metrics"] == {
        "loss": pytest.approx(card["metrics"]["loss"])
    }


def test_two_runs_that_are_equal_are_one() -> None:
    one, other = network(name="one"), network(name="other")
    made = mixture(one, other)
    for split in ("valid", "test"):
        found, expected = (evaluate_run(run, split, METRICS)["metrics"] for run in (made, one))
        assert found == pytest.approx(expected, rel=1e-6)
    assert list(fitted(made).budget["members"].values()) == [0.5, 0.5]


def test_given_weights_are_kept() -> None:
    made = mixture(network(), gram(), settings=("ensemble.weights=3,1",))
    assert list(fitted(made).budget["members"].values()) == [0.75, 0.25]
    assert "weighted 75 %, 25 %" in fitted(made).context("valid")


def test_pieces_of_any_size_are_aligned() -> None:
    def pieces(*sizes: int):
        begin = 0
        for size in sizes:
            ids = torch.arange(begin, begin + size)
            begin += size
            yield Scored(ids.float(), torch.zeros(size, 0), ids, ids)

    found = list(aligned([pieces(5, 1, 4), pieces(2, 8), pieces(10)]))
    assert [len(heads[0].targets) for heads in found] == [2, 3, 1, 4]
    for heads in found:
        assert all(torch.equal(head.targets, heads[0].targets) for head in heads)
    assert torch.cat([heads[2].nats for heads in found]).tolist() == list(range(10))


def test_unlike_members_are_refused() -> None:
    net = network()
    words = network("data.tokenizer.kind=words", name="words")
    with pytest.raises(UserError, match=r"net-.* and words-.* differ in the tokenizer and its vocabulary: "):
        mixture(net, words)
    wine = network(name="wine", text="other")
    with pytest.raises(UserError, match=r"differ in the tokenizer and its vocabulary|differ in the texts"):
        mixture(net, wine)
    both = gram("fit_on=train+valid", name="both")
    with pytest.raises(UserError, match="differ in the splits to score"):
        mixture(net, both)


def test_separate_texts_are_refused() -> None:
    one, other = tiny.fit(tiny.BRACKETS), tiny.fit(tiny.BRACKETS, "seed=2")
    with pytest.raises(UserError, match=r"or model running text\. Got language models of separate texts"):
        mixture(one, other)
    assert not [name for name in run_folder.names() if name.startswith("brackets-ensemble")]


def test_there_must_be_something_to_fit_weights_on() -> None:
    more = ("fit_on=train+valid",)
    members = gram(*more, name="one"), gram(*more, "baseline.order=3", name="two")
    with pytest.raises(UserError, match=r"'ensemble\.weights' must be given where there is no split 'valid'"):
        mixture(*members)
    made = mixture(*members, settings=("ensemble.weights=1,1",))
    assert evaluate_run(made, "test", ("loss",))["targets"] == 38
