import copy
import math
import re
from collections.abc import Sequence

import pytest
import torch
from broken_models import VOCABULARY, Causal, Classifier, SumOfTokens
from torch import Tensor

from seqlab.checkup.check import check
from seqlab.checkup.finding import Finding, other_tokens
from seqlab.checkup.probe_kinds import NEEDS, PROBES
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import Capabilities, SequenceModel
from seqlab.schema.errors import UserError
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.language_modelling import LanguageModelTask

LANGUAGE = LanguageModelTask(0, 1)
LABELS = ClassifyTask(0.0)


def batch(lengths: Sequence[int] = (5, 9, 3, 7), labels: tuple[int, ...] = ()) -> Batch:
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(VOCABULARY, (len(lengths), max(lengths)), generator=generator)
    if labels:
        return Batch(Padded(tokens, torch.tensor(lengths)), torch.tensor(labels))
    return next_tokens(tokens, tokens.roll(-1, dims=1), lengths)


def next_tokens(tokens: Tensor, targets: Tensor, lengths: Sequence[int]) -> Batch:
    sizes = torch.tensor(lengths)
    return Batch(Padded(tokens, sizes), Padded(targets, sizes))


LANGUAGE_BATCH = batch()
LABELLED_BATCH = batch(labels=(0, 1, 1, 0))

DETECTED: list[tuple[str, type[SequenceModel], str, str]] = [
    (
        "batch_independence",
        Causal,
        "statistics over the batch",
        r"a sequence in a batch .*at row \d, step \d",
    ),
    (
        "batch_independence",
        Causal,
        "view instead of transpose",
        r"a sequence in a batch .*at row \d, step \d",
    ),
    ("batch_independence", Causal, "one batch size", r"raised RuntimeError: "),
    ("batch_independence", Classifier, "batch_first missing", r"at row \d\. .*batch_first=True is missing"),
    ("batch_independence", Classifier, "last step", r"a sequence in a batch"),
    (
        "padding_changes_nothing",
        Causal,
        "state after the padding",
        r"one more token after it, changes .*state after the padding",
    ),
    (
        "padding_changes_nothing",
        Classifier,
        "maximum over padding",
        r"padding .*changes .*max or mean pooling",
    ),
    (
        "padding_changes_nothing",
        Classifier,
        "mean over the padded length",
        r"Appending 3 columns.*max or mean pooling",
    ),
    ("padding_changes_nothing", Classifier, "last step", r"padding .*changes the logits"),
    (
        "no_look_ahead",
        Causal,
        "centred convolution",
        r"Changing all tokens from step \d+ on changes.*step \d",
    ),
    ("no_look_ahead", Causal, "attention to everything", r"an attention mask that is missing"),
    ("no_look_ahead", Causal, "normalisation over time", r"; normalisation over time"),
    ("no_look_ahead", Causal, "zero head that looks ahead", r"Changing all tokens from step \d+ on"),
    ("whole_equals_steps", Causal, "step ignores the state", r"step by step .*step ignores its state"),
    ("whole_equals_steps", Causal, "state of the first step", r"Continuing|Reading step by step"),
    ("whole_equals_steps", Causal, "state with time first", r"raised|changes the logits"),
    ("whole_equals_steps", Causal, "other start", r"Reading step by step|Continuing"),
    (
        "gradients_reach_parameters",
        Causal,
        "unused layer",
        r"2 of \d+ .*Not connected to the loss: unused.weight, unused.bias\.",
    ),
    (
        "gradients_reach_parameters",
        Causal,
        "detached embedding",
        r"1 of .*Not connected to the loss: embedding.weight\.",
    ),
    ("gradients_reach_parameters", Causal, "dead ReLU", r"All zero: embedding.weight, .* and 4 more"),
    ("gradients_reach_parameters", Classifier, "input ignored", r"All zero: .*rnn.weight_ih_l0"),
    (
        "gradients_reach_parameters",
        Classifier,
        "NaN",
        r"gradient\. NaN or infinite: embedding.weight, .* and 5 more",
    ),
    (
        "one_batch_overfitted",
        Causal,
        "dead ReLU",
        r", \d+% of the avoidable loss remains .*dead or saturated",
    ),
    ("one_batch_overfitted", Classifier, "input ignored", r", 100% of .*100% is a model that ignores"),
]


def probe(name: str, model: SequenceModel) -> Finding:
    language = isinstance(model, Causal)
    return PROBES[name](
        model, LANGUAGE_BATCH if language else LABELLED_BATCH, LANGUAGE if language else LABELS
    )


@pytest.mark.parametrize(("name", "kind", "fault", "message"), DETECTED)
def test_a_mistake_is_detected(name, kind, fault, message):
    finding = probe(name, kind(fault))
    assert not finding.passed
    assert finding.probe == name
    assert finding.worst > finding.tolerance
    assert re.search(message, finding.message), finding.message


@pytest.mark.parametrize("kind", [Causal, Classifier])
def test_correct_models_pass_every_probe_that_applies(kind):
    model = kind()
    task, data = (LANGUAGE, LANGUAGE_BATCH) if kind is Causal else (LABELS, LABELLED_BATCH)
    findings = check(model, data, task)
    needs_time = {"no_look_ahead", "whole_equals_steps"}
    expected = [name for name in PROBES if kind is Causal or name not in needs_time]
    assert [finding.probe for finding in findings] == expected
    for finding in findings:
        assert finding.passed, finding.message
        assert 0 <= finding.worst <= finding.tolerance


def test_a_model_without_nonlinearity_cannot_memorise_xor():
    tokens = torch.tensor([[2, 2], [2, 3], [3, 2], [3, 3]])
    xor = Batch(Padded(tokens, torch.tensor([2, 2, 2, 2])), torch.tensor([0, 1, 1, 0]))
    linear = PROBES["one_batch_overfitted"](SumOfTokens(nonlinear=False), xor, LABELS)
    assert not linear.passed
    assert linear.worst == pytest.approx(1, abs=0.01)
    assert "no activation between linear layers" in linear.message
    assert PROBES["one_batch_overfitted"](SumOfTokens(nonlinear=True), xor, LABELS).passed


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_label_smoothing_and_ambiguous_inputs_are_not_mistakes(smoothing):
    """The first token has four different successors, so a loss of zero cannot be reached."""
    tokens = torch.tensor([[0, 2, 3, 4], [0, 3, 4, 5], [0, 4, 5, 6], [0, 5, 6, 7]])
    rows = next_tokens(tokens, torch.cat([tokens[:, 1:], tokens[:, :1]], dim=1), [4, 4, 4, 4])
    finding = PROBES["one_batch_overfitted"](
        Causal(), rows, LanguageModelTask(0, 1, label_smoothing=smoothing)
    )
    assert finding.passed, finding.message


@pytest.mark.parametrize("name", PROBES.table)
def test_the_model_and_global_randomness_are_not_changed(name):
    model = Causal()
    model.train()
    model.head.eval()
    model.requires_grad_(True)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    generator_state = torch.get_rng_state()
    first = probe(name, model)
    assert first == probe(name, model)
    assert torch.equal(torch.get_rng_state(), generator_state)
    assert [module.training for module in model.modules()] == modes
    for key, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, before[key])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_capabilities_select_the_probes():
    assert set(NEEDS) == set(PROBES)
    nothing = Capabilities(causal=False, variable_length=False, batch_independent=False)
    applying = {name for name in PROBES if NEEDS[name](nothing)}
    assert applying == {"gradients_reach_parameters", "one_batch_overfitted"}


def test_frozen_and_exempt_parameters_need_no_gradient():
    model = Causal("unused layer")
    model.unused.weight.requires_grad_(False)
    model.capabilities = Capabilities(causal=True, no_gradient=frozenset({"unused.bias"}))
    assert probe("gradients_reach_parameters", model).passed


def test_a_nan_is_an_infinite_difference():
    finding = probe("batch_independence", Classifier("NaN"))
    assert finding.worst == math.inf


def test_the_row_that_differs_is_reported():
    """Row 3 alone is shorter than the batch, so that its last step is padding."""
    data = batch((9, 9, 9, 4, 9, 9), labels=(0, 1, 1, 0, 0, 1))
    finding = PROBES["batch_independence"](Classifier("last step"), data, LABELS)
    assert "at row 3." in finding.message


def test_infinite_logits_do_not_pass():
    model = Classifier()
    model.load_state_dict({**model.state_dict(), "head.bias": torch.tensor([0.0, math.inf])})
    assert probe("batch_independence", model).worst == math.inf


def test_too_small_batches_are_refused():
    model, task = Causal(), LANGUAGE
    with pytest.raises(UserError, match=r"at least 2 sequences.*Got lengths \[5\]"):
        check(model, batch((5,)), task)
    same = torch.full((2, 3), 4)
    with pytest.raises(UserError, match=r"at least 2 different tokens. Got 1"):
        check(model, next_tokens(same, same, [3, 2]), task)
    with pytest.raises(UserError, match=r"targets that depend on its tokens. Got \[1, 1, 1, 1\]"):
        check(Classifier(), batch(labels=(1, 1, 1, 1)), LABELS)


def test_other_tokens_differ_and_occur_in_the_batch():
    tokens, mask = LANGUAGE_BATCH.inputs.tokens, LANGUAGE_BATCH.inputs.mask
    changed = other_tokens(tokens, mask)
    assert (changed != tokens)[mask].all()
    assert set(changed.flatten().tolist()) <= set(tokens[mask].tolist())
