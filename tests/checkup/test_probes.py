"""Each probe finds its mistake in a small module, and finds nothing in a healthy one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_modules import (
    PAD,
    Bag,
    ChangedByLoading,
    IdleDropout,
    OwnLoss,
    Padded,
    Pooled,
    RawIds,
    Recurrence,
    SelfAttention,
    Settings,
    Tagger,
    Translator,
    V,
    WithState,
)
from torch import Tensor, nn

from seqlab.checkup.check_module import check_module
from seqlab.checkup.probe_kinds import PROBES
from seqlab.checkup.report import Report

Make = Callable[[], nn.Module]
Options = dict[str, Any]


def made(make: Make) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def check(make: Make, probe: str, **options: Any) -> Report:
    return check_module(
        made(make), options.pop("batch", None), options.pop("task", None), only=[probe], **options
    )


def tagger(fault: str) -> Make:
    return lambda: Tagger(fault)


def pooled(fault: str) -> Make:
    return lambda: Pooled(fault)


LM: Options = {"task": "language-model", "roles": {"axes": "batch-first"}}
LABELS: Options = {"task": "classify"}
IDS: Options = {"task": "classify", "roles": {"input": "tokens", "vocabulary": V}}
BROKEN: list[tuple[str, Make, Options, str]] = [
    ("batch_independence", tagger("time first"), LM, r"GRU without batch_first=True"),
    ("batch_independence", tagger("rows mixed"), LM, r"Other content of row 0"),
    ("batch_independence", tagger("view"), LM, r"row \d"),
    ("axes_in_order", tagger("view"), LM, r"moves elements to another"),
    ("any_size", tagger("one batch size"), LM, r"fails on 1 of \d+"),
    ("no_look_ahead", tagger("look ahead"), LM, r"Changing all steps from 1 on .* at row \d, step 0"),
    ("no_look_ahead", tagger("leak of one token to one"), LM, r"step 2"),
    ("whole_equals_steps", lambda: WithState("first state returned"), LM, r"Reading step by step"),
    ("padding_changes_nothing", pooled("maximum over padding"), LABELS, r"Padding after step"),
    ("padding_changes_nothing", pooled("last step"), LABELS, r"Padding after step"),
    ("padding_row_untrained", lambda: Bag(padding_idx=None), LABELS, r"Vectors at padding"),
    ("every_input_used", pooled("last token lost"), LABELS, r"Whatever is at step \d+"),
    ("memory_of_earlier_steps", tagger("no memory"), LM, r"depends on no earlier step"),
    ("order_matters", lambda: SelfAttention(positions=False), LABELS, r"Another order of the same steps"),
    ("ids_are_names", RawIds, IDS, r"Ids act as quantities"),
    ("source_used", lambda: Translator("source ignored"), {}, r"the source gives the same"),
    ("source_used", lambda: Translator("source cut"), {}, r"step \d+ of the source"),
    ("initial_state_used", lambda: WithState("state ignored"), LM, r"initial state gives the same"),
    ("outputs_alive", tagger("relu"), LM, r"No output falls below 0"),
    ("outputs_alive", tagger("constant"), LM, r"Every input gets the same outputs"),
    ("outputs_alive", pooled("dead layer"), LABELS, r"relu are the same number"),
    ("loss_gets_logits", tagger("softmax"), LM, r"are probabilities"),
    ("repeatable", tagger("dropout in evaluation"), LM, r"dropout is active in evaluation"),
    ("repeatable", tagger("noise"), LM, r"random draws"),
    ("repeatable", tagger("keeps its state"), LM, r"kept from call to call"),
    ("training_equals_evaluation", tagger("a scale in training"), LM, r"differ from those in evaluation"),
    ("gradients_reach_parameters", tagger("unused layer"), LM, r"unused\.weight"),
    ("gradients_reach_parameters", tagger("detached"), LM, r"Not connected to the loss"),
    ("gradients_reach_parameters", pooled("root of zero"), LABELS, r"NaN or infinite"),
    ("every_parameter_registered", tagger("layers in a list"), LM, r"layers holds weights"),
    ("gradients_through_time", lambda: Recurrence("sigmoid"), LM, r"shrinks by a factor of"),
    ("gradients_through_time", lambda: Recurrence("explodes"), LM, r"grows by"),
    ("gradients_through_time", lambda: Recurrence("cut"), LM, r"exactly 0 at step 0"),
    ("settings_used", Settings, LM, r"'layers' of Settings acts on nothing"),
    ("settings_used", IdleDropout, LM, r"never is made, but never called"),
    ("tied_weights_stay", tagger("untied"), LM, r"have the same numbers"),
    ("tied_weights_stay", tagger("tied by data"), LM, r"not after they are copied, moved or loaded"),
    ("saved_equals_loaded", ChangedByLoading, LM, r"saved and loaded"),
    ("initial_loss", tagger("large weights"), LM, r"log 12 = 2\.48"),
    ("one_batch_overfitted", tagger("constant"), LM, r"avoidable loss remains"),
]


@pytest.mark.parametrize(
    ("probe", "make", "options", "words"), BROKEN, ids=[f"{row[0]}-{i}" for i, row in enumerate(BROKEN)]
)
def test_a_probe_finds_its_mistake(probe: str, make: Make, options: Options, words: str) -> None:
    report = check(make, probe, **options)
    (finding,) = report
    assert finding.broken, finding
    assert finding.deviation is not None
    assert finding.tolerance is not None
    assert finding.cause
    assert finding.fix
    assert finding.submodule
    text = " ".join(str(report).split())
    assert re.search(words, text), text


HEALTHY: list[tuple[Make, Options]] = [
    (Tagger, LM),
    (tagger("zero head"), LM),
    (tagger("tied"), LM),
    (tagger("log-softmax"), LM),
    (tagger("time first"), {}),
    (WithState, LM),
    (Pooled, LABELS),
    (lambda: Bag(padding_idx=PAD), LABELS),
    (lambda: SelfAttention(positions=True), LABELS),
    (Translator, {}),
    (Recurrence, LM),
]


@pytest.mark.parametrize(("make", "options"), HEALTHY, ids=[str(index) for index in range(len(HEALTHY))])
def test_nothing_is_found_in_a_healthy_module(make: Make, options: Options) -> None:
    named = {"skip": ["one_batch_overfitted"], **options}
    report = check_module(made(make), None, named.pop("task", None), **named)
    assert report.healthy, str(report)
    assert not [finding for finding in report if finding.status == "not examined"], str(report)


def test_every_probe_has_a_mistake_here() -> None:
    assert {row[0] for row in (*BROKEN, *LOSSES)} == set(PROBES)


LENGTHS = torch.tensor([6, 3, 5, 2])
WORDS = torch.randint(1, V, (4, 8), generator=torch.Generator().manual_seed(3))
REAL = torch.arange(6) < LENGTHS[:, None]


def texts(*, shift: int = 1, fill: int = -100) -> Options:
    targets = WORDS[:, shift : shift + 6].masked_fill(~REAL, fill)
    return {"tokens": WORDS[:, :6].masked_fill(~REAL, 0), "lengths": LENGTHS, "targets": targets}


def nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """Nats of each target (B, T), 0 for padding."""
    each = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="none")
    return each.view(targets.shape)


def mean(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), ignore_index=-100)


LOSSES: list[tuple[str, Options, Callable[[Tensor, Tensor], Tensor] | None, str]] = [
    ("loss_skips_padding", texts(fill=0), mean, "outputs at padding"),
    ("loss_averages", texts(), lambda o, t: nll(o, t).sum(), "their sum"),
    ("loss_averages", texts(), lambda o, t: nll(o, t).sum() / 4, "the number of rows, 4"),
    ("loss_averages", texts(), lambda o, t: nll(o, t).mean(), "divided by 24"),
    (
        "loss_averages",
        texts(),
        lambda o, t: (nll(o, t).sum(1) / LENGTHS).mean(),
        "Each row has the same weight",
    ),
    ("targets_are_next", texts(shift=0), None, "the token itself"),
    ("targets_are_next", texts(shift=2), None, "the token after the next"),
    ("loss_gets_logits", texts(), lambda o, t: F.nll_loss(o.flatten(0, 1), t.flatten()), "log-probabilities"),
]


@pytest.mark.parametrize(
    ("probe", "batch", "loss", "words"), LOSSES, ids=[str(i) for i in range(len(LOSSES))]
)
def test_mistakes_of_a_loss_show_in_its_gradient(probe: str, batch: Options, loss: Any, words: str) -> None:
    report = check(Padded, probe, batch=batch, task="language-model", loss=loss)
    assert report[probe].broken, str(report)
    assert words in " ".join(str(report).split())


def test_a_softmax_before_a_loss_that_applies_it_shows_in_the_loss_of_a_perfect_prediction() -> None:
    report = check(
        lambda: Padded("softmax"), "loss_gets_logits", batch=texts(), task="language-model", loss=mean
    )
    assert report["loss_gets_logits"].broken
    # log(1 + (V - 1) / e) is the least loss of probabilities that are taken for logits.
    least = torch.log1p(torch.tensor((V - 1) / torch.e)).item()
    assert report["loss_gets_logits"].deviation == pytest.approx(least, abs=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_right_loss_passes_every_probe_of_losses(smoothing: float) -> None:
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        flat = outputs.flatten(0, 1), targets.flatten()
        return F.cross_entropy(*flat, ignore_index=-100, label_smoothing=smoothing)

    names = ["loss_skips_padding", "loss_averages", "targets_are_next"]
    report = check_module(made(Padded), texts(), "language-model", loss=loss, only=names)
    assert [finding.status for finding in report] == ["sound"] * 3, str(report)


def test_a_module_that_computes_its_loss_is_read_by_its_labels() -> None:
    tokens = WORDS[:, :6]
    copied = {"tokens": tokens, "labels": tokens}
    assert check(OwnLoss, "targets_are_next", batch=copied, task="language-model").broken
    following = {"tokens": tokens, "labels": WORDS[:, 1:7]}
    assert check(OwnLoss, "targets_are_next", batch=following, task="language-model").healthy


def test_the_first_submodule_is_named() -> None:
    (finding,) = check(tagger("time first"), "batch_independence", **LM)
    assert finding.submodule == "rnn (GRU)"
    (finding,) = check(tagger("look ahead"), "no_look_ahead", **LM)
    assert finding.submodule == "forward, before rnn (GRU)"
    (finding,) = check(pooled("maximum over padding"), "padding_changes_nothing", **LABELS)
    assert finding.submodule == "forward, before head (Linear)"
