"""Averages of the weights in training, compared with averages of the recorded weights in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import own_models
import pytest
import tiny
import torch
from experiments import outcome
from safetensors.torch import load_file
from torch import Tensor, nn

from seqlab.evaluate.card import numbers
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.evaluate.scoring import score
from seqlab.experiment import network_experiment
from seqlab.experiment.averaging import EmaConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.training_kinds import AVERAGINGS
from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import DivergedError, UserError
from seqlab.training import run
from seqlab.training.averaged_weights import AveragedWeights
from seqlab.training.step import Step

Weights = dict[str, Tensor]
KEPT = "averaging.weight."
DECAY = 0.6
SETTINGS = {
    "none": [],
    "ema": ["training.averaging.kind=ema", f"training.averaging.decay={DECAY}"],
    "triggered": ["training.averaging.kind=triggered", "training.averaging.interval=0"],
}
every_kind = pytest.mark.parametrize("kind", list(AVERAGINGS))
averaging = pytest.mark.parametrize("kind", [kind for kind in AVERAGINGS if kind != "none"])
# A learning rate with which some validations are worse than those before.
LANGUAGE = [
    *tiny.BRACKETS,
    "training.epochs=3",
    "training.optimizer.learning_rate=0.3",
    "training.validations_per_epoch=2",
    "model.dropout=0.2",
    "samples.checked=0",
    "samples.checked_at_end=0",
]
STREAM = [
    *LANGUAGE,
    "batching.kind=stream",
    "batching.batch_size=4",
    "batching.sequence_length=10",
    "model.tied=true",
]
REVIEWS = [
    *(setting for setting in tiny.REVIEWS if not setting.startswith("model.")),
    "model.kind=recurrent-classifier",
    "model.embedding_size=3",
    "model.hidden_size=4",
    "model.linear_size=5",
    "training.epochs=5",
]
UNFROZEN = [*REVIEWS, "model.layers=2", "training.layer_decay=0.5", "training.unfreeze_every=1"]
OWN = [*REVIEWS, "model.kind=import", f"model.path={own_models.__file__}:PackedClassifier"]
OWN = [setting for setting in OWN if "_size=" not in setting or setting.startswith("batching")]
SGD = [
    "training.optimizer.kind=sgd",
    "training.optimizer.learning_rate=0.3",
    "training.optimizer.momentum=0.9",
    "training.optimizer.weight_decay=0.01",
]
RECIPES = {
    "language": LANGUAGE,
    "tied-stream": STREAM,
    "classifier": REVIEWS,
    "unfrozen": [*UNFROZEN, *SGD],
    "own": OWN,
}
every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())


@pytest.fixture(autouse=True)
def _registered(run_folders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.register(monkeypatch)


def built(*settings: str) -> NetworkExperiment:
    config = tiny.configure([*settings])
    return NetworkExperiment(config, config.dataset(), torch.device("cpu"))


def copied(model: nn.Module) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@pytest.fixture
def iterates(monkeypatch: pytest.MonkeyPatch) -> list[Weights]:
    """The weights before training and after each step."""
    seen: list[Weights] = []
    step = Step.__call__

    def recorded(self: Step, *arguments):
        model = self._experiment.model
        if not seen:
            seen.append(copied(model))
        found = step(self, *arguments)
        seen.append(copied(model))
        return found

    monkeypatch.setattr(Step, "__call__", recorded)
    return seen


def moving_average(weights: Sequence[Weights], name: str) -> Tensor:
    """a = d a + (1 - d) θ with d = min(decay, (1 + t) / (10 + t)), from the weights before training."""
    average = weights[0][name].double()
    for t, now in enumerate(weights[1:], start=1):
        decay = min(DECAY, (1 + t) / (10 + t))
        average = decay * average + (1 - decay) * now[name].double()
    return average


def mean_since_the_trigger(weights: Sequence[Weights], name: str, start: int | None) -> Tensor:
    """The mean of those after the step of the trigger and after each later step."""
    return torch.stack([now[name].double() for now in weights[start:]]).mean(dim=0)


def trigger(found: RunFolder) -> int | None:
    """The step of the first validation that is no better than an earlier one, from the records."""
    monitor = found.summary()["monitor"]
    best: float | None = None
    for step, value in tiny.records(found, monitor["name"], "valid"):
        gain = value if monitor["better"] == "higher" else -value
        if best is not None and gain <= best:
            return step
        best = gain
    return None


def expected(kind: str, weights: Sequence[Weights], name: str, found: RunFolder) -> Tensor:
    """The result after these steps of a run."""
    match kind:
        case "none":
            return weights[-1][name].double()
        case "ema":
            return moving_average(weights, name)
        case "triggered":
            start = trigger(found)
            assert start is not None, "nothing was averaged"
            return mean_since_the_trigger(weights, name, min(start, len(weights) - 1))
    raise AssertionError(f"{kind} is not tested")


def saved(found: RunFolder, file: str, index: int = -1) -> Weights:
    return load_file(checkpoints.checkpoints(found.checkpoints)[index] / f"{file}.safetensors")


def test_every_kind_is_tested() -> None:
    assert set(SETTINGS) == set(AVERAGINGS)


@every_recipe
@every_kind
def test_the_result_is_the_average_of_the_weights_after_each_step(
    recipe: list[str], kind: str, iterates: list[Weights]
) -> None:
    found = tiny.fit(recipe, *SETTINGS[kind], "training.result=last")
    result, last = saved(found, "model"), iterates[-1]
    assert len(iterates) == 1 + tiny.summary(found)["steps"]
    assert result.keys() <= last.keys()
    for name, tensor in result.items():
        wanted = expected(kind, iterates, name, found).to(tensor.dtype)
        torch.testing.assert_close(tensor, wanted, rtol=1e-5, atol=1e-6, msg=name)
    if kind != "none":
        assert any(not torch.allclose(tensor, last[name]) for name, tensor in result.items())


@every_recipe
@averaging
def test_training_continues_with_the_weights_as_if_there_were_no_average(
    recipe: list[str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, through all validations and checkpoints."""
    settings = [*recipe, "training.result=last", "training.checkpoint_seconds=0"]
    plain = tiny.fit(settings)
    averaged = tiny.fit(settings, *SETTINGS[kind])
    assert tiny.records(averaged, "loss") == tiny.records(plain, "loss")
    assert tiny.records(averaged, "loss", "valid") != tiny.records(plain, "loss", "valid")
    weights, state = saved(plain, "model"), saved(averaged, "training")
    kept = {name.removeprefix(KEPT): t for name, t in state.items() if name.startswith(KEPT)}
    assert kept.keys() == weights.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in weights.items())
    assert not [name for name in saved(plain, "training") if name.startswith("averaging.")]


@averaging
def test_what_is_validated_kept_and_used_is_the_average(kind: str, iterates: list[Weights]) -> None:
    found = tiny.fit(LANGUAGE, *SETTINGS[kind], "samples.count=4")
    best = tiny.summary(found)["best_step"]
    made = built(*LANGUAGE)
    wanted = {name: expected(kind, iterates[: best + 1], name, found) for name in iterates[0]}
    made.model.load_state_dict(wanted)
    loss = numbers(score(made, "valid", ["loss"]))["loss"]
    assert dict(tiny.records(found, "loss", "valid"))[best] == pytest.approx(loss, rel=1e-5)
    assert tiny.summary(found)["metrics"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert evaluate_run(found, "valid", ["loss"])["checkpoint_step"] == best
    for name, tensor in load_run(found).model.state_dict().items():
        torch.testing.assert_close(tensor.double(), wanted[name], rtol=1e-5, atol=1e-6, msg=name)


@every_recipe
@averaging
def test_stopped_and_resumed_as_never_stopped(
    recipe: list[str], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*recipe, *SETTINGS[kind], "training.checkpoint_seconds=0"]
    whole = outcome(tiny.fit(settings))
    for step in (1, 4, 9):
        monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / f"stopped-{step}"))
        stopped = tiny.broken_off(settings, step=step)
        run.resume(stopped, callback=tiny.Nobody())
        assert outcome(stopped) == whole, step


@averaging
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rows_of_a_large_table_are_moved_and_averaged_as_a_whole_table(
    kind: str, momentum: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*REVIEWS, *SGD, f"training.optimizer.momentum={momentum}", "training.result=last"]
    dense = tiny.fit(settings, *SETTINGS[kind], "training.optimizer.rows=dense")
    monkeypatch.setattr(network_experiment, "MANY_ROWS", 5)
    assert built(*settings).rows is not None
    callback = tiny.Nobody()
    found = tiny.fit(settings, *SETTINGS[kind], callback=callback)
    assert "rows of the embedding move in every step: all weights are averaged." in " ".join(
        callback.messages
    )
    result = saved(found, "model")
    assert all(torch.equal(result[name], tensor) for name, tensor in saved(dense, "model").items())


@averaging
def test_an_average_that_is_not_finite_stops_training(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    update = AveragedWeights.update

    def spoilt(self: AveragedWeights, step: int) -> None:
        update(self, step)
        for average in self._averages.values():
            average.view(-1)[0] = torch.inf

    monkeypatch.setattr(AveragedWeights, "update", spoilt)
    words = r"weights are no longer finite at step .*First not finite: average of weight 'embedding\.weight'"
    with pytest.raises(DivergedError, match=words):
        tiny.fit(LANGUAGE, *SETTINGS[kind])


class Parts(nn.Module):
    """Tied weights, one that is frozen, an integer, a buffer, and a view that code keeps of a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.shared = nn.Linear(3, 3)
        self.shared.bias.data = self.first.bias.data
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.count = nn.Parameter(torch.zeros(2, dtype=torch.int64), requires_grad=False)
        self.register_buffer("seen", torch.zeros(2))
        self.row = self.first.weight.data[0]


WEIGHTS = ("first.weight", "first.bias", "shared.weight")
"""Those that `moved` moves."""


def begun(module: nn.Module) -> AveragedWeights:
    averaged = AveragedWeights(module, EmaConfig(decay=0.5).build())
    averaged.begin()
    return averaged


def moved(module: Parts, averaged: AveragedWeights) -> None:
    """One step: everything that may change is one more."""
    with torch.no_grad():
        for tensor in (*map(module.get_parameter, WEIGHTS), module.count, module.get_buffer("seen")):
            tensor.add_(1)
    averaged.update(1)


def test_only_weights_are_averaged_each_once() -> None:
    module = Parts()
    start, averaged = copied(module), begun(module)
    moved(module, averaged)
    last = copied(module)
    assert set(averaged.state()) == {f"weight.{name}" for name in (*WEIGHTS, "second.bias", "frozen")}
    with averaged.applied():
        found = copied(module)
        torch.testing.assert_close(module.row, found["first.weight"][0])
    for name in (*WEIGHTS, "second.weight", "shared.bias"):
        torch.testing.assert_close(found[name], start[name] + 9 / 11, msg=name)
    for name in ("frozen", "count", "seen"):
        assert torch.equal(found[name], last[name])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.popitem(), r"'averaging' must have 5 weights\. Got 4\."),
        (
            lambda state: state.update({"weight.a": state.pop("weight.frozen")}),
            r"'averaging\.frozen' is missing",
        ),
        (
            lambda state: state.update({"weight.frozen": torch.ones(3)}),
            r"'averaging\.frozen' must be tensor \(2,\)",
        ),
    ],
)
def test_another_state_is_refused(change: Callable[[Weights], object], words: str) -> None:
    state = dict(begun(Parts()).state())
    change(state)
    with pytest.raises(ValueError, match=words):
        AveragedWeights(Parts(), EmaConfig().build()).restore(state, 1)


def test_the_weights_return_also_after_an_error() -> None:
    module = Parts()
    averaged = begun(module)
    moved(module, averaged)
    last, same = copied(module), dict(module.named_parameters())
    with pytest.raises(RuntimeError, match="scoring failed"), averaged.applied():
        raise RuntimeError("scoring failed")
    assert all(torch.equal(tensor, last[name]) for name, tensor in copied(module).items())
    assert all(module.get_parameter(name) is parameter for name, parameter in same.items())
    averaged.update(2)


def test_gradients_can_be_computed_with_the_averages() -> None:
    module = Parts()
    averaged = begun(module)
    moved(module, averaged)
    with averaged.applied():
        assert module.first(torch.ones(3)).requires_grad


def stops_after(values: Sequence[float], interval: int, patience: int) -> int:
    """The number of validations after which training stops: patience counts from the trigger on."""
    begun, waited = False, 0
    for index, value in enumerate(values):
        waited = 0 if value < min(values[:index], default=math.inf) or not begun else waited + 1
        begun = begun or any(value >= earlier for earlier in values[: max(0, index - interval)])
        if waited == patience:
            return index + 1
    raise AssertionError("training must stop by its patience")


@pytest.mark.parametrize(("interval", "patience"), [(2, 1), (3, 2)])
def test_patience_counts_from_the_trigger_on(interval: int, patience: int) -> None:
    callback = tiny.Nobody()
    found = tiny.fit(
        LANGUAGE,
        "training.averaging.kind=triggered",
        f"training.averaging.interval={interval}",
        f"training.patience={patience}",
        "training.optimizer.learning_rate=1",
        "training.epochs=40",
        callback=callback,
    )
    validations = tiny.records(found, "loss", "valid")
    assert tiny.summary(found)["stopped"].startswith(f"no improvement in {patience} validation")
    assert len(validations) == stops_after([value for _, value in validations], interval, patience)
    best_step, _ = min(validations, key=lambda pair: pair[1])
    assert tiny.summary(found)["best_step"] == best_step
    (message,) = [each for each in callback.messages if each.startswith("Weights are averaged from step ")]
    assert int(message.removesuffix(" on.").rpartition(" ")[2]) in [step for step, _ in validations]


def test_a_trigger_needs_validations() -> None:
    words = r"'training\.averaging\.kind' must be one that starts without a validation, .*Got 'triggered'"
    with pytest.raises(UserError, match=words):
        built(*REVIEWS, *SETTINGS["triggered"], "training.fit_on=train+valid")


@averaging
def test_diagnostics_are_of_the_average(kind: str) -> None:
    setting = "diagnostics.gradient_every=1"
    plain, averaged = tiny.fit(LANGUAGE, setting), tiny.fit(LANGUAGE, setting, *SETTINGS[kind])
    found = [
        [record for record, _ in each.records() if record.name.startswith("gradient_through_time")]
        for each in (plain, averaged)
    ]
    assert found[0] != found[1]
    assert len(found[0]) == len(found[1]) > 0
