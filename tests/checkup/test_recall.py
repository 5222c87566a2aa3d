"""The checkup finds at least 97 % of what is broken, and nothing in what is healthy, as is published."""

from __future__ import annotations

import json
import sys

import pytest
from cases.all_cases import BROKEN, BROKEN_PIPELINES, HEALTHY, HEALTHY_PIPELINES, HELD_OUT
from cases.case import Case, PipelineCase
from pages import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import measure_checkup
from checkup_adapters import seqlab_check, seqlab_pipeline

RECALL = 0.97
PUBLISHED = json.loads(measure_checkup.MEASURED.read_text("utf-8"))
FOUND = PUBLISHED["tools"]["seqlab"]["broken"]
"""What the checkup found when it was measured: probes by case."""


def name_of(case: Case | PipelineCase) -> str:
    return case.name


def test_what_is_published_is_this_corpus():
    corpus = [*BROKEN, *HEALTHY, *BROKEN_PIPELINES, *HEALTHY_PIPELINES]
    assert PUBLISHED["cases"] == {case.name: case.kind for case in corpus}
    assert set(PUBLISHED["tools"]) == set(measure_checkup.TOOLS)
    pinned = measure_checkup.RIVALS.read_text("utf-8").splitlines()
    for tool in set(measure_checkup.TOOLS) - {"seqlab"}:
        assert f"{tool}=={PUBLISHED['tools'][tool]['version']}" in pinned


def test_the_published_recall_is_high_and_there_is_no_false_alarm():
    broken = {case.name for case in [*BROKEN, *BROKEN_PIPELINES]}
    assert len(broken & set(FOUND)) >= RECALL * len(broken)
    assert not set(FOUND) - broken
    unseen = broken & HELD_OUT
    assert len(unseen & set(FOUND)) >= 0.9 * len(unseen)


def test_all_twelve_founding_mistakes_are_found():
    found = {n for case in [*BROKEN, *BROKEN_PIPELINES] if case.name in FOUND for n in case.mistakes}
    assert found == set(range(1, 13))


@pytest.mark.parametrize("case", [case for case in BROKEN if case.name in FOUND], ids=name_of)
def test_a_broken_module_is_found_as_published(case: Case):
    """By the first probe that found it, alone."""
    assert seqlab_check(case, only=FOUND[case.name][:1]).checks == FOUND[case.name][:1]


@pytest.mark.parametrize("case", [*BROKEN_PIPELINES, *HEALTHY_PIPELINES], ids=name_of)
def test_pipelines_are_judged_as_published(case: PipelineCase):
    assert seqlab_pipeline(case).checks == FOUND.get(case.name, [])


@pytest.mark.slow
@pytest.mark.parametrize("case", HEALTHY, ids=name_of)
def test_a_healthy_module_raises_no_alarm(case: Case):
    outcome = seqlab_check(case)
    assert outcome.verdict == "sound"


@pytest.mark.parametrize("path", ["docs/checkup.md", "README.md"])
def test_the_page_shows_what_was_measured(path: str):
    page = (ROOT / path).read_text("utf-8")
    assert measure_checkup.filled(page, PUBLISHED) == page
