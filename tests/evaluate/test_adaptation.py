"""Dynamic evaluation and the neural cache, compared with loops in plain PyTorch, token by token."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.comparison.comparable import refusal
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.evaluate.adaptation import AdaptationConfig, CacheConfig, DynamicConfig, adaptation_config
from seqlab.evaluate.adaptive_scoring import AdaptiveScoring
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.neural_cache import NeuralCache, mixed_nats, mixed_outputs
from seqlab.evaluate.scoring import score_exactly
from seqlab.experiment import recipes
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import DivergedError, UserError
from seqlab.training import run as training_run

RUNNING = [
    "data.kind=text",
    "data.tokenizer.kind=characters",
    "batching.sequence_length=8",
    "batching.batch_size=3",
    "training.schedule.kind=constant",
    "training.tensorboard=false",
    "training.max_steps=30",
    "training.optimizer.learning_rate=1",
    "samples.count=0",
    "name=net",
]
MODELS = {
    "lstm": ["model.embedding_size=4", "model.hidden_size=4", "model.layers=1", "model.dropout=0.5"],
    "transformer": ["model.hidden_size=4", "model.heads=2", "model.layers=1", "model.feed_forward_size=4"],
}
EACH_MODEL = pytest.mark.parametrize("model", MODELS)
RMS = DynamicConfig(learning_rate=0.05, decay=0.1, window=3, epsilon=0.01)
SGD = DynamicConfig(rule="sgd", learning_rate=0.3, decay=0.1, window=3)
CACHE = CacheConfig(size=7, theta=0.4, weight=0.3)


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests: a run that one of them has made is loaded by the others."""
    folder = tmp_path_factory.mktemp("adaptation")
    (folder / "own.txt").write_text("".join(f"{index} bottles of beer\n" for index in range(40)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(folder / "runs"))
        patch.setenv("SEQLAB_CACHE", str(folder / "cache"))
        yield folder


def settings(place: Path, *more: str, model: str = "lstm") -> list[str]:
    return [f"ptb-{model}", *RUNNING, *MODELS[model], f"data.path={place / 'own.txt'}", *more]


def experiment(place: Path, model: str = "lstm") -> NetworkExperiment:
    """An untrained network in float64, whose weights are far from 0."""
    config = recipes.network(*_split(settings(place, model=model)))
    found = NetworkExperiment(config, config.data.build(), torch.device("cpu"))
    random = torch.Generator().manual_seed(3)
    for weight in found.model.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=random)
    found.model.double()
    return found


def _split(words: list[str]) -> tuple[str, list[str]]:
    return words[0], words[1:]


def nats_of(scoring: AdaptiveScoring, config: AdaptationConfig, split: Split) -> Tensor:
    with scoring.adapting():
        pieces = scoring.pieces(config, split, outputs=False)
        return torch.cat([scored.nats for _, scored in pieces])


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6, check_dtype=False)


class PlainNet(nn.Module):
    """The same LSTM with the layers of torch, its weights tied."""

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        self.table = nn.Parameter(weights["embedding.weight"].clone())
        self.bias = nn.Parameter(weights["head.bias"].clone())
        self.lstm = nn.LSTM(4, 4, batch_first=True, dtype=torch.float64)
        with torch.no_grad():
            for name, weight in self.lstm.named_parameters():
                weight.copy_(weights[f"body.{name}"])

    def forward(self, tokens: Tensor, state):
        y, state = self.lstm(functional.embedding(tokens, self.table), state)
        return y @ self.table.T + self.bias, tuple(part.detach() for part in state)


def streams(tokens: np.ndarray, start: int, count: int, window: int):
    """Inputs and targets of windows of contiguous parts, whose lengths must be equal."""
    inputs = np.concatenate([[start], tokens[:-1]]).astype(np.int64)
    parts = [np.stack(np.split(each.astype(np.int64), count)) for each in (inputs, tokens)]
    for begin in range(0, parts[0].shape[1], window):
        yield tuple(torch.from_numpy(part[:, begin : begin + window]) for part in parts)


def plain_mean_squares(net: PlainNet, windows) -> list[Tensor]:
    total = [torch.zeros_like(weight) for weight in net.parameters()]
    state, count = None, 0
    for inputs, targets in windows:
        net.zero_grad()
        logits, state = net(inputs, state)
        functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        for each, weight in zip(total, net.parameters(), strict=True):
            assert weight.grad is not None
            each.add_(weight.grad**2)
        count += 1
    return [each / count for each in total]


def plain_dynamic(net: PlainNet, windows, config: DynamicConfig, squares: Sequence[Tensor] | None) -> Tensor:
    """Nats of each token, by the equations of Krause et al. 2018."""
    trained = [weight.detach().clone() for weight in net.parameters()]
    found, state = [], None
    rates = [config.learning_rate] * len(trained)
    decays = [config.decay] * len(trained)
    if squares is not None:
        roots = [each.sqrt() for each in squares]
        mean = torch.cat([root.flatten() for root in roots]).mean()
        assert config.epsilon is not None
        rates = [config.learning_rate / (root + config.epsilon) for root in roots]
        decays = [(config.decay * root / mean).clamp(max=1) for root in roots]
    for inputs, targets in windows:
        net.zero_grad()
        logits, state = net(inputs, state)
        nats = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        found.append(nats.detach())
        nats.mean().backward()
        for weight, old, rate, decay in zip(net.parameters(), trained, rates, decays, strict=True):
            assert weight.grad is not None
            weight.data = weight.data - rate * weight.grad + decay * (old - weight.data)
    return torch.cat(found)


@pytest.mark.parametrize("config", [RMS, SGD, RMS.model_copy(update={"decay": 0.0})], ids=str)
def test_dynamic_evaluation_is_that_of_a_plain_loop(place: Path, config: DynamicConfig, monkeypatch) -> None:
    # Parts of equal length, so that the loop needs no padding.
    monkeypatch.setattr("seqlab.evaluate.adaptive_scoring.STATISTICS_STREAMS", 2)
    own = experiment(place)
    splits, vocabulary = own.dataset.splits, own.dataset.tokenizer.vocabulary
    train, valid = splits["train"].text.tokens, splits["valid"].text.tokens
    assert len(train) % 2 == 0
    assert vocabulary.start is not None
    net = PlainNet(own.model.state_dict())
    squares = None
    if config.rule == "rms":
        squares = plain_mean_squares(net, streams(train, vocabulary.start, 2, config.window))
    expected = plain_dynamic(net, streams(valid, vocabulary.start, 1, config.window), config, squares)
    before = {name: weight.clone() for name, weight in own.model.state_dict().items()}
    scoring = AdaptiveScoring(own)
    found = nats_of(scoring, AdaptationConfig(dynamic=config), splits["valid"])
    assert len(found) == len(valid)
    close(found, expected)
    static = nats_of(scoring, AdaptationConfig(), splits["valid"])
    close(found[:3], static[:3])
    assert (static - found).abs().max() > 1e-3
    for name, weight in own.model.state_dict().items():
        assert torch.equal(weight, before[name]), "the weights are those of the run again"
    again = nats_of(scoring, AdaptationConfig(dynamic=config), splits["valid"])
    assert torch.equal(again, found), "deterministic"


@EACH_MODEL
def test_without_any_rate_it_is_static(place: Path, model: str) -> None:
    own = experiment(place, model)
    scoring = AdaptiveScoring(own)
    static = torch.from_numpy(score_exactly(own, "valid", ("loss",)).scores.nats)
    split = own.dataset.splits["valid"]
    close(nats_of(scoring, AdaptationConfig(), split), static)
    nothing = CACHE.model_copy(update={"weight": 0.0})
    close(nats_of(scoring, AdaptationConfig(cache=nothing), split), static)


@EACH_MODEL
@pytest.mark.parametrize("config", [SGD, RMS], ids=["sgd", "rms"])
def test_every_token_is_scored_once_before_it_is_learned_from(
    place: Path, model: str, config: DynamicConfig
) -> None:
    """Nats of the first tokens do not depend on later ones, and later ones on whether there was learning."""
    own = experiment(place, model)
    scoring = AdaptiveScoring(own)
    adapted = AdaptationConfig(dynamic=config, cache=CACHE)
    split = own.dataset.splits["valid"]
    found = nats_of(scoring, adapted, split)
    assert len(found) == int(split.text.offsets[-1])
    changed = np.array(split.text.tokens)
    changed[20] = changed[21]
    other = nats_of(scoring, adapted, replace(split, text=Ragged(changed, split.text.offsets)))
    torch.testing.assert_close(other[:20], found[:20], rtol=0, atol=0)
    assert (other[21:] - found[21:]).abs().max() > 1e-6


def plain_cache(features: Tensor, targets: Tensor, config: CacheConfig, outputs: int) -> list[Tensor | None]:
    """p_cache of every output before each token, by its definition; None where nothing came before."""
    found: list[Tensor | None] = []
    for step in range(len(targets)):
        sums = torch.zeros(outputs, dtype=torch.float64)
        for before in range(max(0, step - config.size), step):
            sums[targets[before]] += torch.exp(config.theta * features[step] @ features[before])
        found.append(sums / sums.sum() if step else None)
    return found


@pytest.mark.parametrize("cut", [1, 4, 5, 30])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_cache_is_that_of_its_definition(cut: int, size: int) -> None:
    random = torch.Generator().manual_seed(1)
    features = torch.randn(30, 5, generator=random, dtype=torch.float64)
    targets = torch.randint(0, 9, (30,), generator=random)
    logits = torch.randn(30, 9, generator=random, dtype=torch.float64)
    config = CacheConfig(size=size, theta=0.7, weight=0.2)
    expected = plain_cache(features, targets, config, 9)
    cache = NeuralCache(config.size, config.theta)
    mixed, nats = [], []
    for begin in range(0, 30, cut):
        part = slice(begin, begin + cut)
        reading = cache.read(features[part], targets[part])
        model = functional.cross_entropy(logits[part], targets[part], reduction="none")
        mixed.append(mixed_outputs(logits[part], reading, config.weight).exp())
        nats.append(mixed_nats(model, reading.nats(targets[part]), reading.empty, config.weight))
    found = torch.cat(mixed)
    torch.testing.assert_close(found.sum(1), torch.ones(30, dtype=torch.float64))
    softmax = logits.softmax(1)
    for step, cached in enumerate(expected):
        by_hand = softmax[step] if cached is None else 0.8 * softmax[step] + 0.2 * cached
        torch.testing.assert_close(found[step], by_hand, rtol=1e-9, atol=1e-12)
        assert torch.cat(nats)[step].item() == pytest.approx(-math.log(by_hand[targets[step]].item()))


@EACH_MODEL
def test_a_cache_beside_moving_weights(place: Path, model: str) -> None:
    """Both together: what the moving model computes, mixed by the definition."""
    own = experiment(place, model)
    scoring, split = AdaptiveScoring(own), own.dataset.splits["valid"]
    features, targets, nats = [], [], []
    with scoring.adapting():
        batches = scoring.batches(AdaptationConfig(dynamic=SGD), split)
        for window in scoring.windows(SGD, batches, None):
            for some, scored in scoring.scored(window, outputs=False):
                features.append(some.clone())
                targets.append(scored.targets)
                nats.append(scored.nats)
    expected = plain_cache(torch.cat(features), torch.cat(targets), CACHE, 30)
    found = nats_of(scoring, AdaptationConfig(dynamic=SGD, cache=CACHE), split)
    for step, cached in enumerate(expected):
        p = math.exp(-torch.cat(nats)[step].item())
        if cached is not None:
            p = (1 - CACHE.weight) * p + CACHE.weight * cached[torch.cat(targets)[step]].item()
        assert found[step].item() == pytest.approx(-math.log(p), rel=1e-6)


def trained(place: Path, *more: str) -> RunFolder:
    return tiny.fit(settings(place, *more))


def test_an_adapted_card_is_one_of_its_own(place: Path) -> None:
    run = trained(place, "seed=2")
    weights = {path: path.read_bytes() for path in run.checkpoints.rglob("*") if path.is_file()}
    static = evaluate_run(run, "test", ())
    records = (run.path / "records.jsonl").read_bytes()
    config = adaptation_config(["dynamic.window=4", "cache.size=20"])
    card = evaluate_run(run, "test", (), adaptation=config)
    assert (run.path / "records.jsonl").read_bytes() == records
    assert {path: path.read_bytes() for path in weights} == weights
    assert "adaptation" not in static
    kept = run.card("test")
    assert kept is not None
    assert kept["metrics"] == static["metrics"]
    assert run.card("test", "dynamic+cache") == card
    assert run.adapted_cards() == [card]
    assert set(run.cards()) == {"valid", "test"}
    assert card.get("adaptation") == {
        "kind": "dynamic+cache",
        "settings": {
            **{"dynamic.rule": "rms", "dynamic.learning_rate": 0.003, "dynamic.decay": 0.02},
            **{"dynamic.window": 4, "cache.size": 20, "cache.theta": 0.3, "cache.weight": 0.1},
        },
        "tried": 0,
    }
    assert card["scored_as"].endswith("; dynamic evaluation and a neural cache")
    assert (card["test_evaluations"], card["targets"]) == (1, static["targets"])
    assert card["metrics"].keys() == static["metrics"].keys()
    own, other = (run.scores(name) for name in ("test+dynamic+cache", "test"))
    assert own is not None
    assert other is not None
    assert own.nats.mean() == pytest.approx(card["metrics"]["loss"])
    assert own.right.mean() == pytest.approx(card["metrics"]["accuracy"])
    assert other.nats.mean() == pytest.approx(static["metrics"]["loss"])
    assert "the adaptation to the text: 'dynamic+cache' (b), 'none' (a)" in str(
        refusal({"b": card, "a": static})
    )
    assert refusal({"b": card, "c": {**card, "seed": 2}}) is None
    # Other settings replace the numbers, and are counted.
    again = evaluate_run(run, "test", ("loss",), adaptation=adaptation_config(["cache.size=9"], dynamic=True))
    assert again["test_evaluations"] == 2
    assert set(json.loads((run.path / "cards/test+dynamic+cache.json").read_text())["metrics"]) == {"loss"}


def test_settings_are_searched_for_on_validation(place: Path) -> None:
    run = trained(place)
    config = adaptation_config(["dynamic.learning_rate=1e-4"], cache=True, dynamic=True)
    card = evaluate_run(run, "valid", ("loss",), adaptation=config, tune=True)
    found = card.get("adaptation")
    assert found is not None
    assert found["tried"] > 24
    assert found["settings"]["dynamic.learning_rate"] != 1e-4
    given = evaluate_run(run, "valid", ("loss",), adaptation=config)
    assert card["metrics"]["loss"] < given["metrics"]["loss"]
    # No neighbour of the rate is better, with dynamic evaluation alone.
    moving = {key: value for key, value in found["settings"].items() if key.startswith("dynamic")}
    rate = float(moving["dynamic.learning_rate"])
    losses = []
    for factor in (1.0, 0.5, 2.0):
        words = [
            f"{key}={value}" for key, value in {**moving, "dynamic.learning_rate": rate * factor}.items()
        ]
        neighbour = evaluate_run(run, "valid", ("loss",), adaptation=adaptation_config(words))
        losses.append(neighbour["metrics"]["loss"])
    assert min(losses) == losses[0]
    assert card["metrics"]["loss"] <= losses[0] + 1e-6


def test_a_rate_that_is_too_large_is_an_error_and_nothing_is_lost(place: Path) -> None:
    run = trained(place, "seed=3")
    config = adaptation_config(["dynamic.rule=sgd", "dynamic.learning_rate=1e38", "dynamic.window=1"])
    with pytest.raises(DivergedError, match=r"Nearest: a lower dynamic\.learning_rate"):
        evaluate_run(run, "valid", (), adaptation=config)
    assert run.adapted_cards() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dynamic.learning_rate=-1"], "'dynamic.learning_rate' must be greater than 0"),
        (["dynamic.decay=1.5"], "'dynamic.decay' must be less than or equal to 1"),
        (["dynamic.window=0"], "'dynamic.window' must be greater than or equal to 1|at least 1"),
        (["cache.weight=1"], "'cache.weight' must be less than 1"),
        (["cache.weight=-0.1"], "'cache.weight' must be"),
        (["cache.theta=-1"], "'cache.theta' must be"),
        (["cache.size=0"], "'cache.size' must be"),
        (["cache.lambda=0.1"], "There is no setting 'cache.lambda'"),
        (["learning_rate=1"], "There is no setting 'learning_rate'. Nearest: 'dynamic.learning_rate'"),
        (["dynamic.rule=sgd", "dynamic.epsilon=0.1"], "'dynamic.epsilon' must be none for the rule 'sgd'"),
        (["test"], "must be written key=value. Got 'test'"),
    ],
)
def test_wrong_settings_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        adaptation_config(words)


def test_there_must_be_something_to_search_for() -> None:
    with pytest.raises(UserError, match="'tune' must be used with 'dynamic' or 'cache'"):
        adaptation_config(tune=True)


def test_what_has_no_stream_is_refused(place: Path) -> None:
    config = adaptation_config(cache=True)
    with pytest.raises(UserError, match="Got separate texts"):
        evaluate_run(tiny.fit(tiny.BRACKETS), "valid", (), adaptation=config)
    gram, _ = recipes.configure("text-5gram", [f"data.path={place / 'own.txt'}", "name=gram"])
    baseline = training_run.train(gram, callback=tiny.Nobody())
    with pytest.raises(UserError, match="Got a baseline"):
        evaluate_run(run_folder.open_run(Path(baseline["run"])), "valid", (), adaptation=config)
    small = ["data.train=60", "data.valid=20", "data.test=20", "model.hidden_size=4", "training.epochs=1"]
    classifier = tiny.fit(["marked-addition-gru", *small, "training.tensorboard=false"])
    with pytest.raises(UserError, match="Got the task 'classify'"):
        evaluate_run(classifier, "valid", (), adaptation=config)
    with pytest.raises(UserError, match="must be of a model that does not adapt"):
        evaluate_run(trained(place), "valid", ("loss_per_position",), adaptation=config)
