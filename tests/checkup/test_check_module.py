"""What a checkup leaves as it was, modules that misbehave, and forms of modules."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import numpy as np
import pytest
import torch
from small_modules import CLASSES, H, Pooled, SelfAttention, Tagger, V, WithState
from torch import Tensor, nn

import seqlab
from seqlab.checkup.check_module import check_module
from seqlab.checkup.make_subject import module_subject
from seqlab.models.check_roles import CheckRoles
from seqlab.schema.errors import UserError

FAST = ["batch_independence", "no_look_ahead", "repeatable"]


def test_a_checkup_leaves_the_module_and_all_generators_as_they_were() -> None:
    module = Tagger().train()
    module.rnn.eval()
    calls: list[str] = []
    module.head.register_forward_hook(lambda *_: calls.append("head"))
    module(torch.ones(2, 3, dtype=torch.long)).sum().backward()
    before = copy.deepcopy(module.state_dict())
    gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    hooks = {path: dict(layer._forward_hooks) for path, layer in module.named_modules()}
    modes = {path: layer.training for path, layer in module.named_modules()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    kind = torch.get_default_dtype()
    check_module(module, None, "language-model", skip=["one_batch_overfitted"])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    for name, parameter in module.named_parameters():
        assert (parameter.grad is None) == (name not in gradients)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[name])
    assert {path: dict(layer._forward_hooks) for path, layer in module.named_modules()} == hooks
    assert {path: layer.training for path, layer in module.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()  # type: ignore[index]
    assert torch.get_default_dtype() == kind
    assert torch.is_grad_enabled()


def test_a_report_is_a_list_a_table_and_json() -> None:
    report = seqlab.check(Tagger("look ahead"), task="language-model", only=FAST)
    assert [finding.probe for finding in report] == FAST
    assert len(report) == 3
    assert report.broken
    assert not report.healthy
    assert max(map(len, str(report).splitlines())) <= 80
    content = json.loads(report.to_json())
    assert content["subject"] == "Tagger"
    assert [probe["status"] for probe in content["probes"]] == ["sound", "broken", "sound"]


def test_assert_healthy_fails_with_the_table() -> None:
    seqlab.assert_healthy(Tagger(), task="language-model", only=FAST)
    with pytest.raises(AssertionError, match=r"BROKEN {7}no_look_ahead"):
        seqlab.assert_healthy(Tagger("look ahead"), task="language-model", only=FAST)


class Crashing(Tagger):
    """Fails in training mode, and where nothing is returned to Python."""

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training:
            raise KeyError("no training today")
        return super().forward(tokens)


def test_a_probe_in_which_the_module_fails_says_why_and_the_others_finish() -> None:
    report = check_module(Crashing(), None, "language-model", only=[*FAST, "training_equals_evaluation"])
    assert report["training_equals_evaluation"].status == "not examined"
    assert "no training today" in report["training_equals_evaluation"].evidence
    assert [report[name].status for name in FAST] == ["sound"] * 3


class Waiting(Tagger):
    def forward(self, tokens: Tensor) -> Tensor:
        while tokens.shape[0] == 1:
            pass
        return super().forward(tokens)


def test_a_module_that_hangs_is_interrupted_and_the_rest_says_so() -> None:
    report = check_module(
        Waiting(), None, "language-model", only=FAST, roles={"axes": "batch-first"}, time_limit=4
    )
    assert report["batch_independence"].status == "not examined"
    assert "time limit" in report["batch_independence"].evidence
    assert "time limit" in report["repeatable"].evidence


def test_a_module_that_returns_nan_is_broken() -> None:
    class Nan(Tagger):
        def forward(self, tokens: Tensor) -> Tensor:
            return super().forward(tokens) * torch.nan

    report = check_module(Nan(), None, "language-model", only=["outputs_alive"])
    assert "NaN" in report["outputs_alive"].evidence
    assert report.broken


class Output:
    """An object with logits, as libraries return them."""

    def __init__(self, logits: Tensor):
        self.logits = logits


class Features(nn.Module):
    """Reads features in either order of axes; gives numbers, a tuple, a dict or an object."""

    def __init__(self, form: str = "tensor", *, batch_first: bool = True, outputs: int = 1):
        super().__init__()
        self.form, self.batch_first = form, batch_first
        self.rnn, self.head = nn.GRU(5, H, batch_first=batch_first), nn.Linear(H, outputs)

    def forward(self, x: Tensor) -> Any:
        y, h = self.rnn(x)
        logits = self.head(y[:, -1] if self.batch_first else y[-1])
        return {"tensor": logits, "tuple": (logits, h), "dict": {"h": h, "logits": logits}}.get(
            self.form, Output(logits)
        )


@pytest.mark.parametrize("form", ["tensor", "tuple", "dict", "object"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_forms_of_outputs_and_the_order_of_axes_are_found(form: str, batch_first: bool) -> None:
    module = Features(form, batch_first=batch_first, outputs=3)
    subject = module_subject(module, None, None, CheckRoles(), None)
    assert subject.guessed.call.batch_first == batch_first
    assert (subject.traits.tokens, subject.traits.vocabulary, subject.traits.outputs) == (False, 5, 3)
    assert subject.outputs(subject.batch).shape == (len(subject.batch), 3)


@pytest.mark.parametrize(
    ("module", "batch", "task"),
    [
        (Tagger(), None, "language-model"),
        (Pooled(), None, "classify"),
        (Features(), torch.randn(4, 6, 5), "regress"),
        (Features(), {"x": torch.randn(4, 6, 5), "targets": torch.randn(4)}, "regress"),
        (SelfAttention(positions=True), {"tokens": torch.ones(3, 4, dtype=torch.long)}, "classify"),
    ],
)
def test_the_task_is_guessed(module: nn.Module, batch: Any, task: str) -> None:
    assert module_subject(module, batch, None, CheckRoles(), None).traits.task == task


def test_what_is_guessed_is_said_and_can_be_told_otherwise() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(V, H), nn.Linear(H, CLASSES)

        def forward(self, ends: Tensor, words: Tensor) -> Tensor:
            real = torch.arange(words.shape[1]) < ends[:, None]
            return self.head((self.table(words) * real.unsqueeze(2)).sum(1))

    report = check_module(Odd(), None, "classify", only=["padding_changes_nothing"])
    assert not report.examined
    roles = {"tokens": "words", "lengths": "ends"}
    report = check_module(Odd(), None, "classify", roles=roles, only=["padding_changes_nothing"])
    assert report["padding_changes_nothing"].status == "sound"
    assert "'ends' as lengths" in report.notes[0]
    with pytest.raises(UserError, match=r"no setting 'roles\.token'. Nearest: 'roles\.tokens'"):
        check_module(Odd(), roles={"token": "words"})


def test_a_state_is_found_and_carried() -> None:
    subject = module_subject(WithState(), None, None, CheckRoles(), None)
    assert subject.traits.has_state
    outputs, state = subject.read(subject.batch)
    assert outputs.shape == (*subject.batch.inputs.tokens.shape, V)
    assert state is not None
    assert state.tensors["0"].shape == (len(subject.batch), H)
