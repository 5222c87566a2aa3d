"""The corpus of the checkup is itself right: broken cases are broken, healthy ones are healthy."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import torch
from cases import data_laws
from cases.all_cases import BROKEN, BROKEN_PIPELINES, HEALTHY, HEALTHY_PIPELINES
from cases.calling import call, output_of
from cases.case import MODULE_KINDS, PIPELINE_KINDS, Case, PipelineCase
from cases.laws_of_health import applying
from cases.training_laws import overfits, parameters_learn


def name_of(case: Case | PipelineCase) -> str:
    return case.name


EVERYTHING = [*BROKEN, *HEALTHY, *BROKEN_PIPELINES, *HEALTHY_PIPELINES]


def test_the_corpus_is_large_and_names_its_sources():
    assert len(BROKEN) + len(BROKEN_PIPELINES) >= 80
    assert len(HEALTHY) + len(HEALTHY_PIPELINES) >= 50
    assert [name for name, count in Counter(case.name for case in EVERYTHING).items() if count > 1] == []
    assert not [case.name for case in EVERYTHING if not re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", case.source)]
    assert not [case.name for case in EVERYTHING if not case.note]


def test_every_kind_has_several_cases():
    modules, data = Counter(c.kind for c in BROKEN), Counter(c.kind for c in BROKEN_PIPELINES)
    assert set(modules) == set(MODULE_KINDS)
    assert set(data) == set(PIPELINE_KINDS)
    assert min(modules.values()) >= 2
    assert min(data.values()) >= 2


def test_all_twelve_founding_mistakes_are_there():
    assert {number for case in EVERYTHING for number in case.mistakes} == set(range(1, 13))


def test_the_architectures_and_conventions_differ():
    arguments = Counter(name for case in [*BROKEN, *HEALTHY] for name in case.example()[0])
    for name in ("tokens", "x", "text", "input_ids", "lengths", "attention_mask", "src", "tgt", "hidden"):
        assert arguments[name] >= 2, name
    layers = Counter(
        type(part)
        for case in [*BROKEN, *HEALTHY]
        for part in {type(p): p for p in case.build().modules()}.values()
    )
    for kind in (torch.nn.LSTM, torch.nn.GRU, torch.nn.Conv1d, torch.nn.TransformerEncoderLayer):
        assert layers[kind] >= 8, kind


@pytest.mark.parametrize("case", [*BROKEN, *HEALTHY], ids=name_of)
def test_a_case_builds_runs_and_is_deterministic(case: Case):
    state = torch.get_rng_state()
    first, second = case.build(), case.build()
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    arguments, targets = case.example()
    output = output_of(call(first.eval(), arguments))
    assert output.is_floating_point()
    assert targets is not None or "labels" in arguments
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("case", BROKEN, ids=name_of)
def test_a_broken_case_is_broken(case: Case):
    assert case.law is not None
    assert not case.law(case)


@pytest.mark.parametrize("case", HEALTHY, ids=name_of)
def test_a_healthy_case_keeps_every_law_that_applies(case: Case):
    found = list(applying(case))
    assert len(found) >= 12
    for law in found:
        assert law(case), law.__doc__


@pytest.mark.slow
@pytest.mark.parametrize("case", HEALTHY, ids=name_of)
def test_a_healthy_case_learns(case: Case):
    assert overfits(case)
    if case.example()[1] is not None and case.name != "experts-without-drops":
        assert parameters_learn(case) or any(not p.requires_grad for p in case.build().parameters())


@pytest.mark.parametrize("case", BROKEN_PIPELINES, ids=name_of)
def test_a_broken_pipeline_is_broken(case: PipelineCase):
    assert case.broken(case)


@pytest.mark.parametrize("case", HEALTHY_PIPELINES, ids=name_of)
def test_a_healthy_pipeline_keeps_every_law(case: PipelineCase):
    assert not [kind for kind, broken in data_laws.EVERY.items() if broken(case)]
    assert case.end is None or not data_laws.end_lost(case)
