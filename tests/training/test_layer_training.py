"""Learning rates by layer and gradual unfreezing, compared with one plain optimizer for each layer group."""

from __future__ import annotations

from pathlib import Path

import any_optimizer
import own_models
import pytest
import tiny
import torch
from experiments import outcome
from test_optimizers import CASES
from torch import Tensor
from torch.nn import functional

from seqlab.experiment import network_experiment, seeding
from seqlab.experiment.layer_training import LayerTraining
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.imported_model import ImportedModel
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.training import run
from seqlab.training.loop import Loop
from seqlab.training.step import Step

RECURRENT = [
    *(setting for setting in tiny.REVIEWS if not setting.startswith("model.")),
    "model.kind=recurrent-classifier",
    "model.embedding_size=3",
    "model.hidden_size=4",
    "model.linear_size=5",
    "model.layers=2",
    "training.epochs=5",
]
"""Two batches an epoch."""
GROUPS = {
    "head": {"linear.weight", "linear.bias", "head.weight", "head.bias"},
    "body layer 2": {f"body.{kind}_{part}_l1" for kind in ("weight", "bias") for part in ("ih", "hh")},
    "body layer 1": {f"body.{kind}_{part}_l0" for kind in ("weight", "bias") for part in ("ih", "hh")},
    "embedding": {"embedding.weight"},
}
"""The names of the parameters of each layer group, by hand."""
OWN = ["model.kind=import", f"model.path={own_models.__file__}:PackedClassifier"]
SGD = ["training.optimizer.kind=sgd", "training.optimizer.learning_rate=0.5"]
MOMENTUM = [*SGD, "training.optimizer.momentum=0.9", "training.optimizer.weight_decay=0.1"]


@pytest.fixture(autouse=True)
def _registered(run_folders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.register(monkeypatch)
    any_optimizer.register(monkeypatch)


@pytest.fixture
def many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedding is large enough to be moved row by row."""
    monkeypatch.setattr(network_experiment, "MANY_ROWS", 5)


def built(*settings: str) -> NetworkExperiment:
    config = tiny.configure([*RECURRENT, *settings])
    return NetworkExperiment(config, config.dataset(), torch.device("cpu"))


def weights(made: NetworkExperiment) -> dict[str, Tensor]:
    if made.rows is not None:
        made.rows.flush()
    return {name: tensor.clone() for name, tensor in made.model.state_dict().items()}


GROUPS_OF = {name: k for k, names in enumerate(GROUPS.values()) for name in names}
"""The number of the group of each parameter, by name."""


def batches(made: NetworkExperiment, epoch: int = 0):
    order = seeding.derive(made.config.seed, "order", epoch)
    return made.task.batches(made.dataset.splits["train"], made.config.batching, order)


def test_the_groups_of_a_classifier_are_its_layers() -> None:
    made = built()
    names = {id(parameter): name for name, parameter in made.model.named_parameters()}
    found = {group.name: {names[id(p)] for p in group.parameters} for group in made.model.layer_groups()}
    assert found == GROUPS
    assert list(found) == list(GROUPS)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_update_of_plain_sgd_has_the_rate_of_its_group(bidirectional: bool) -> None:
    made = built(*SGD, "training.layer_decay=0.4", f"model.bidirectional={bidirectional}".lower())
    batch, before = batches(made)[0], weights(made)
    named = dict(made.model.named_parameters())
    logits, _ = made.model(batch)
    loss = functional.cross_entropy(logits, batch.target_values)
    found = dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))
    Step(made)(batch, None, 0.5)
    for name, gradient in found.items():
        group = GROUPS_OF[name.removesuffix("_reverse")]
        expected = before[name] - 0.5 * 0.4**group * gradient
        torch.testing.assert_close(named[name].detach(), expected, msg=name)


def separate_steps(made: NetworkExperiment, decay: float, epochs: int, unfreeze_every: int) -> None:
    """Epochs of training with an optimizer of its own for each group, which steps once it is trained."""
    config, clip = made.config.training.optimizer, made.config.training.clip_norm
    every = [
        [made.model.get_parameter(name) for name in GROUPS_OF if GROUPS_OF[name] == k]
        for k in range(len(GROUPS))
    ]
    optimizers = [
        config.model_copy(update={"learning_rate": config.learning_rate * decay**k}).build(group)
        for k, group in enumerate(every)
    ]
    for epoch in range(epochs):
        trained = len(every) if not unfreeze_every else 1 + epoch // unfreeze_every
        moved = [parameter for group in every[:trained] for parameter in group]
        for batch in batches(made, epoch):
            logits, _ = made.model(batch)
            made.model.zero_grad()
            functional.cross_entropy(logits, batch.target_values).backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(moved, clip)
            for optimizer in optimizers[:trained]:
                optimizer.step()


def steps(made: NetworkExperiment, epochs: int) -> None:
    """The same as the loop does it."""
    step = Step(made)
    for epoch in range(epochs):
        made.model.train()
        made.layers.unfreeze(epoch)
        for batch in batches(made, epoch):
            step(batch, None, made.config.training.optimizer.learning_rate)


@pytest.mark.parametrize(
    "settings", [*CASES, MOMENTUM], ids=lambda s: "-".join(part.rpartition("=")[2] for part in s)
)
def test_every_optimizer_moves_each_group_as_one_of_its_own_would(settings: list[str]) -> None:
    settings = [*settings, "training.layer_decay=0.5", "training.unfreeze_every=1", "training.clip_norm=0.5"]
    made, plain = built(*settings), built(*settings)
    start = weights(made)
    steps(made, 5)
    separate_steps(plain, 0.5, 5, 1)
    for name, expected in plain.model.state_dict().items():
        torch.testing.assert_close(weights(made)[name], expected, rtol=1e-4, atol=1e-6, msg=name)
        assert not torch.equal(weights(made)[name], start[name]), name


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rows_of_a_large_table_move_as_a_whole_table_would(momentum: float) -> None:
    settings = [*MOMENTUM, f"training.optimizer.momentum={momentum}", "training.clip_norm=0.5"]
    settings += ["training.layer_decay=0.5", "training.unfreeze_every=1"]
    made, plain = built(*settings), built(*settings, "training.optimizer.rows=dense")
    assert made.rows is not None
    steps(made, 5)
    separate_steps(plain, 0.5, 5, 1)
    for name, expected in plain.model.state_dict().items():
        torch.testing.assert_close(weights(made)[name], expected, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("rows", ["dense", "auto"])
@pytest.mark.usefixtures("many_rows")
def test_frozen_tensors_keep_their_bits_and_get_no_gradient(
    monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    """Through the loop, with momentum and weight decay, which would move them without a gradient."""
    seen: list[tuple[int, dict[str, Tensor], list[bool]]] = []
    after = Loop._after_step

    def watched(loop: Loop, count: int) -> None:
        has_gradient = [parameter.grad is not None for parameter in loop.experiment.model.parameters()]
        seen.append((loop.progress.epoch, weights(loop.experiment), has_gradient))
        after(loop, count)

    monkeypatch.setattr(Loop, "_after_step", watched)
    settings = [
        *MOMENTUM,
        f"training.optimizer.rows={rows}",
        "training.unfreeze_every=2",
        "training.epochs=9",
    ]
    start = weights(built(*settings))
    tiny.fit(RECURRENT, *settings)
    assert len(seen) == 18
    for name, group in GROUPS_OF.items():
        for epoch, found, _ in seen:
            assert torch.equal(found[name], start[name]) == (epoch // 2 < group), (name, epoch)
    names = list(built().model.state_dict())
    for epoch, _, has_gradient in seen:
        got = {name for name, there in zip(names, has_gradient, strict=True) if there}
        expected = {name for name, group in GROUPS_OF.items() if group <= epoch // 2}
        assert got == expected - ({"embedding.weight"} if rows == "auto" else set())


def test_the_backward_pass_ends_at_the_lowest_group_that_is_trained() -> None:
    made = built("training.unfreeze_every=1")
    found: list[bool] = []
    made.model.get_submodule("body").register_forward_hook(
        lambda module, inputs, outputs: found.append(outputs[0].requires_grad)
    )
    for epoch in range(4):
        made.model.train()
        made.layers.unfreeze(epoch)
        made.model(batches(made)[0])
    assert found == [False, True, True, True]


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize("settings", [["training.optimizer.kind=adamw"], MOMENTUM], ids=["adamw", "rows"])
@pytest.mark.parametrize("step", [1, 2, 3, 5, 8])
def test_stopped_in_any_phase_and_resumed_as_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str], step: int
) -> None:
    recipe = [*RECURRENT, *settings, "model.dropout=0.3", "training.layer_decay=0.5"]
    recipe += [
        "training.unfreeze_every=1",
        "training.checkpoint_seconds=0",
        "training.schedule.kind=one-cycle",
    ]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "broken"))
    broken = tiny.broken_off(recipe, step=step)
    run.resume(broken, callback=tiny.Nobody())
    assert outcome(broken) == outcome(whole)


def test_the_recorded_rate_is_that_of_the_head() -> None:
    found = tiny.fit(RECURRENT, *SGD, "training.layer_decay=0.4")
    assert {value for _, value in tiny.records(found, "learning_rate")} == {0.5}


def test_frozen_layers_are_diagnosed_too() -> None:
    found = tiny.fit(RECURRENT, "training.unfreeze_every=9", "diagnostics.gradient_every=1")
    names = {record.name for record, _ in found.records()}
    assert {"gradient_through_time_layer_1", "gradient_through_time_layer_2"} <= names


def notes(*settings: str) -> str:
    callback = tiny.Nobody()
    tiny.fit(RECURRENT, *settings, callback=callback)
    return " ".join(callback.messages)


def test_a_note_says_what_is_done() -> None:
    said = notes("training.layer_decay=0.5", "training.unfreeze_every=2")
    assert (
        "Layer groups from the output to the input, with the factor of the learning rate of each: head 1, "
        "body layer 2 0.5, body layer 1 0.25, embedding 0.125. At first head is trained, and after every "
        "2 epochs one group more."
    ) in said
    assert "Layer groups" not in notes("training.epochs=1")


class Parts(torch.nn.Module):
    """Two parts, a parameter of its own, one that is fixed, and one that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(2, 2)
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.second = torch.nn.Linear(2, 2)
        self.second.weight = self.first.weight
        self.fixed = torch.nn.Parameter(torch.ones(2), requires_grad=False)


def test_the_groups_of_an_imported_module_are_its_parts() -> None:
    module = Parts()
    groups = ImportedModel(module, None, causal=False).layer_groups()
    assert [group.name for group in groups] == ["second", "first"]
    expected = [
        [module.second.weight, module.second.bias, module.scale, module.fixed],
        [module.first.weight, module.first.bias],
    ]
    for group, wanted in zip(groups, expected, strict=True):
        assert [id(p) for p in group.parameters] == [id(p) for p in wanted]


def test_what_was_fixed_stays_fixed_and_what_is_shared_moves_with_its_first_group() -> None:
    module = Parts()
    made = ImportedModel(module, None, causal=False)
    optimizer = torch.optim.SGD(made.parameters(), lr=1.0)
    layers = LayerTraining(made.layer_groups(), optimizer, None, decay=0.5, unfreeze_every=1)
    layers.unfreeze(0)
    trained = {name for name, p in module.named_parameters() if p.requires_grad}
    assert trained == {"first.weight", "second.bias", "scale"}
    layers.unfreeze(1)
    assert not module.fixed.requires_grad
    start = {name: p.detach().clone() for name, p in module.named_parameters()}
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    layers.step(0.1, 1.0)
    moved = {name: (start[name] - p).abs().max().item() for name, p in module.named_parameters()}
    expected = {"first.weight": 0.1, "first.bias": 0.05, "scale": 0.1, "second.bias": 0.1, "fixed": 0.0}
    assert moved == pytest.approx(expected)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "import"])
def test_every_parameter_of_every_model_is_in_a_group(kind: str) -> None:
    spec = InputSpec(vocabulary=7, outputs=7, output="class")
    model = parse(MODELS[kind], {"kind": kind}).build(spec, torch.Generator())
    groups = model.layer_groups()
    assert groups[0].name == "head"
    assert {id(p) for p in model.parameters()} == {id(p) for g in groups for p in g.parameters}
    assert len({group.name for group in groups}) == len(groups)


def test_an_imported_module_is_trained_by_parts() -> None:
    settings = [*OWN, "training.layer_decay=0.5", "training.unfreeze_every=1", "training.epochs=2"]
    callback = tiny.Nobody()
    tiny.fit(RECURRENT, *settings, callback=callback)
    words = "each: head 1, rnn 0.5, embedding 0.25. At first head is trained, and after every 1 epoch one"
    assert words in " ".join(callback.messages)


@pytest.mark.parametrize("setting", ["training.layer_decay=0", "training.layer_decay=1.5"])
def test_a_decay_must_be_a_factor(setting: str) -> None:
    with pytest.raises(UserError, match=r"'training\.layer_decay' must be "):
        tiny.configure(RECURRENT, setting)
