"""A study's part of the page: question beside answer, every cell, what can be told and what cannot."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import folders
import pytest
import study
from html_tree import Element, page, table

from seqlab import report
from seqlab.compare.study_cells import open_study
from seqlab.report.comparing import chapters
from seqlab.report.curves import AXES, medians
from seqlab.report.heat import grid
from seqlab.report.run_data import read
from seqlab.report.study_figures import over_seeds
from seqlab.report.study_view import folders as run_folders
from seqlab.report.study_view import studies, told
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

runs = folders.runs_of_the_test


@pytest.fixture
def written(tmp_path: Path, runs: Path) -> Element:
    return page(report.write([], tmp_path / "r.html", title="Known", studies=[study.make()]))


def test_the_expectation_stands_beside_what_was_found(written: Element) -> None:
    part = written.all("section")[1]
    assert part.all("h2")[0].text == "Study known"
    headings = [heading.text for heading in part.all("h4")]
    assert headings == ["Asked", "Expected", "Found"]
    assert part.all("p")[:2][1].text == "GRU first."
    found = [item.text for item in part.all("ul")[0].all("li")]
    assert found[0].startswith("Order by the best setting's median: lstm, then gru; over seeds nothing")
    assert found[1] == (
        "lstm at learning_rate=0.1: median loss 0.520 nats per token, 0.510 to 0.530 over 3 seeds."
    )
    assert any("3 seeds: not enough to tell over seeds" in sentence for sentence in found)


def test_every_setting_over_its_seeds(written: Element) -> None:
    head, *rows = table(written, "Every setting of the study over its seeds")
    shown = [dict(zip(head, row, strict=True)) for row in rows]
    assert [(row["architecture"], row["learning_rate"]) for row in shown] == [
        ("gru", "0.3"),
        ("gru", "0.1"),
        ("gru", "9.0"),
        ("lstm", "0.1"),
        ("lstm", "0.3"),
        ("lstm", "9.0"),
    ]
    values = [study.loss("lstm", 0.1, seed) for seed in (1, 2, 3)]
    best = shown[3]
    assert float(best["median loss nats per token"]) == pytest.approx(statistics.median(values))
    assert (float(best["lowest"]), float(best["highest"])) == pytest.approx((values[0], values[2]))
    lost = shown[5]
    assert lost["median loss nats per token"] == "\N{EN DASH}"
    assert lost["with a value seeds"] == "0 of 3"
    assert lost["censored"] == "3 failed: The loss became nan at step 2 (epoch 1)"


def test_censored_runs_are_rows_but_never_the_best(written: Element) -> None:
    head, *rows = table(written, "Results on the validation split")
    lost = [row for row in rows if row[head.index("state")].startswith("censored: failed")]
    assert len(lost) == 6
    results = next(one for one in written.all("table") if "Results on" in one.all("caption")[0].text)
    looks = [row.attributes.get("class") for row in results.all("tr")[1:]]
    assert looks.count("censored") == 6
    assert looks.count("best") == 2


def test_the_best_of_each_row_of_the_grid_is_marked() -> None:
    asked = open_study(study.make())
    found = chapters([read(run) for run in run_folders(asked)], told=told(asked))
    (one,) = studies(asked, found)
    figure = grid(one)
    assert figure is not None
    marked = {(row["down"], row["across"]) for row in figure.rows if row["best"]}
    assert marked == {("0.1", "lstm"), ("0.3", "gru")}
    lost = [row for row in figure.rows if row["value"] is None]
    assert {row["down"] for row in lost} == {"9.0"}
    assert all("failed" in str(row["why"]) for row in lost)
    seeds = over_seeds(one)
    assert seeds is not None
    points = [
        row["value"] for row in seeds.rows if row["kind"] == "seed" and row["label"] == "learning_rate=0.1"
    ]
    assert len(points) == 6
    assert max(float(row["value"] or 0) for row in seeds.rows if row["kind"] == "censored") > max(
        float(value or 0) for value in points
    )


def test_reliability_and_importance_are_told(written: Element) -> None:
    rows = table(written, "Which architecture is most reliable")
    assert [row[:2] for row in rows[1:]] == [["lstm", "3"], ["gru", "3"]]
    shares = table(written, "What mattered, all architectures: the share of each setting")
    assert {row[0] for row in shares[1:]} >= {"architecture", "learning_rate", "architecture x learning_rate"}
    assert sum(float(row[1]) for row in shares[1:]) == pytest.approx(1.0)


def test_a_colour_stays_with_its_architecture(written: Element) -> None:
    drawn = json.loads(next(e for e in written.all("script") if e.attributes.get("id") == "figures").text)
    text = json.dumps(drawn)
    ranges = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if (
                set(node) >= {"domain", "range"}
                and isinstance(node["range"][0], str)
                and node["range"][0][0] == "#"
            ):
                ranges.update(zip(node["domain"], node["range"], strict=True))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(json.loads(text))
    colours = {name: {colour for label, colour in ranges if name in label} for name in ("gru", "lstm")}
    assert all(len(found) == 1 for found in colours.values())
    assert colours["gru"] != colours["lstm"]


def test_a_baseline_is_a_row_and_a_rule_but_no_competitor(tmp_path: Path) -> None:
    asked = study.make()
    study.add_baseline(asked, "nb-svm", 0.4)
    document = page(report.write([], tmp_path / "r.html", title="Known", studies=[asked]))
    rows = table(document, "Every setting of the study over its seeds")
    assert rows[-1][:2] == ["nb-svm", "\N{EN DASH}"]
    assert float(rows[-1][3]) == 0.4
    found = [item.text for item in document.all("section")[1].all("ul")[0].all("li")]
    assert found[0].startswith("Order by the best setting's median: lstm, then gru;")
    assert [row[0] for row in table(document, "Which architecture is most reliable")[1:]] == ["lstm", "gru"]
    captions = [one.text for one in document.all("figcaption")]
    assert any("Loss of each seed" in text and "A grey rule: a baseline." in text for text in captions)


def test_a_study_on_unlike_data_has_a_part_for_each(tmp_path: Path) -> None:
    asked = study.make(failed=False)
    for trial in asked.trials():
        if trial.seed == 3:
            folders.card(RunFolder(run_folder.root() / trial.run, "", ""), tokenizer="bytes")
    with pytest.raises(UserError, match="the tokenizer: 'words'"):
        report.write([], tmp_path / "r.html", title="Apart", studies=[asked])
    document = page(
        report.write([], tmp_path / "r.html", title="Apart", studies=[asked], allow_incomparable=True)
    )
    titles = [heading.text for heading in document.all("h2")]
    assert titles[0] == "Study known"
    assert [title.startswith("Study known, reviews, ") for title in titles[1:]] == [
        True,
        True,
        False,
        False,
        False,
    ]
    seeds = [
        one.cells()[1][2]
        for one in document.all("table")
        if "Every setting of the study" in one.all("caption")[0].text
    ]
    assert seeds == ["2", "1"]


def test_the_median_of_lines_by_hand() -> None:
    lines = {1: [(0.0, 1.0), (2.0, 3.0)], 2: [(0.0, 2.0), (2.0, 2.0)], 3: [(0.0, 9.0), (1.0, 5.0)]}
    rows = [
        {"run": run, "label": "a", "architecture": "a", "optimiser": "b", "split": "valid", "kind": "run",
         **dict.fromkeys(AXES), "epoch": place, "value": value}
        for run, line in lines.items()
        for place, value in line
    ]  # fmt: skip
    found = [(row["epoch"], row["value"]) for row in medians(rows, "architecture", "median")]
    # At 1 the lines are at 2 (half-way), 2 and 5; at 2 the third is gone, two of three are left.
    assert found == [(0.0, 2.0), (1.0, 2.0), (2.0, 2.5)]
