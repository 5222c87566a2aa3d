"""The measurement of the checkup: what counts as found, and the table that is published."""

from __future__ import annotations

import re
import sys

import pytest
from cases.all_cases import BROKEN, HEALTHY
from pages import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import measure_checkup
from checkup_adapters import MODULE_TOOLS, BatchFirst, Collected, Outcome

MEASURED = {
    "cases": {"a": "padding", "b": "padding", "c": "look-ahead", "d": "healthy", "e": "healthy"},
    "tools": {
        "seqlab": {
            "version": "2.0",
            "broken": {"a": ["x"], "b": ["x", "y"], "c": ["z"]},
            "warned": [],
            "not applicable": {},
            "seconds": {"total": 5.0, "median": 1.0},
        },
        "pangolinn": {
            "version": "0.0.1",
            "broken": {"a": ["x"], "d": ["x"]},
            "warned": ["b", "e"],
            "not applicable": {"c": "no output for each step"},
            "seconds": {"total": 0.5, "median": 0.125},
        },
    },
}


def test_the_table_counts_what_was_found_and_what_could_not_be_tried():
    lines = measure_checkup.table(MEASURED).splitlines()
    rows = {
        cells[0]: cells[1:] for cells in ([c.strip() for c in line.strip("|").split("|")] for line in lines)
    }
    assert rows[""] == ["cases", "seqlab 2.0", "pangolinn 0.0.1"]
    assert rows["padding"] == ["2", "2", "1"]
    assert rows["look-ahead"] == ["1", "1", "n/a"]
    assert rows["**recall, all broken cases**"] == ["3", "**100%**", "**33%**"]
    assert rows["recall, where it can be applied"] == ["", "3 of 3 (100%)", "1 of 2 (50%)"]
    assert rows["**false alarms, healthy cases**"] == ["2", "**0** of 2", "**1** of 2"]
    assert rows["both, if warnings count"] == ["", "", "67%, 2"]
    assert rows["median CPU seconds a case"] == ["", "1.00", "0.12"]


def test_a_page_gets_the_table_between_its_comments():
    page = f"before\n{measure_checkup.BEGIN}\nold\n{measure_checkup.END}\nafter\n"
    filled = measure_checkup.filled(page, MEASURED)
    assert filled.startswith("before\n")
    assert filled.endswith("after\n")
    assert "old" not in filled
    assert measure_checkup.table(MEASURED) in filled
    assert measure_checkup.filled(filled, MEASURED) == filled
    with pytest.raises(SystemExit, match="must have the lines"):
        measure_checkup.filled("no comments", MEASURED)


def test_every_rival_is_pinned():
    pinned = dict(
        re.findall(r"^([\w-]+)==([\d.]+)$", measure_checkup.RIVALS.read_text("utf-8"), re.MULTILINE)
    )
    assert set(pinned) == set(measure_checkup.TOOLS) - {"seqlab"}
    assert set(MODULE_TOOLS) == set(measure_checkup.TOOLS)


def test_an_error_of_a_tool_is_neither_a_finding_nor_a_pass():
    collected = Collected()
    collected.run("crashes", lambda: 1 / 0)
    assert collected.outcome.verdict == "not applicable"
    assert "ZeroDivisionError" in collected.outcome.reason
    collected.run("passes", lambda: None)
    assert collected.outcome.verdict == "sound"

    def finds() -> None:
        raise AssertionError

    collected.run("finds", finds)
    assert collected.outcome == Outcome(["finds"], [], 1, collected.outcome.reason)
    assert collected.outcome.verdict == "broken"


@pytest.mark.parametrize("case", [c for c in [*BROKEN, *HEALTHY] if c.time_first], ids=lambda case: case.name)
def test_rivals_get_the_batch_on_the_first_axis(case):
    module = BatchFirst(case, case.build()).eval()
    arguments, targets = case.example()
    swapped = module.swapped(arguments)
    assert module.swapped(swapped).keys() == arguments.keys()
    assert module(**swapped).shape[:2] == targets.T.shape
