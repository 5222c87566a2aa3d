"""A study's part of the page: question and answer, every cell, and how certain the findings are."""

from __future__ import annotations

import itertools
import json
import statistics
from pathlib import Path

import folders
import pytest
import study
from html_tree import Element, page, table

from seqlab import report
from seqlab.comparison.study_cells import open_study
from seqlab.report.chapters import chapters
from seqlab.report.charts.curve_points import AXES, median_rows
from seqlab.report.run_data import read_run
from seqlab.report.study.chapter_study import chapter_studies, study_run_labels, study_runs
from seqlab.report.study.grid_heat_map import grid_heat_map
from seqlab.report.study.seeds_figure import seeds_figure
from seqlab.runs import run_folder, study_folder
from seqlab.runs.study_records import Event, Trial
from seqlab.schema.errors import UserError

runs = folders.runs_of_the_test


@pytest.fixture
def written(tmp_path: Path, runs: Path) -> Element:
    return page(report.write([], tmp_path / "r.html", title="Known", studies=[study.make()]))


def test_the_expectation_is_shown_with_the_findings(written: Element) -> None:
    part = next(e for e in written.all("section") if e.attributes.get("class") == "part")
    assert part.all("h2")[0].text == "Study known"
    headings = [heading.text for heading in part.all("h4")]
    assert headings == ["Expected before the runs", "Found"]
    assert part.all("p")[0].text == "GRU first."
    findings = [item.text for item in part.all("ul")[0].all("li")]
    assert findings[0] == (
        "Order by the median of the best setting: lstm, then gru; no difference is significant over seeds."
    )
    assert findings[1] == (
        "lstm at learning_rate=0.1: median loss 0.520 nats per token, 0.510 to 0.530 over 3 seeds."
    )
    assert any("3 seeds: too few for a test over seeds" in sentence for sentence in findings)


@pytest.mark.parametrize(
    ("seeds", "coverage"),
    [
        (1, ""),
        (
            3,
            "; with so few seeds it is only guaranteed to contain the true median in 75 % of cases with 3 "
            "seeds",
        ),
    ],
)
def test_the_interval_of_a_median_and_what_it_is_worth(tmp_path: Path, seeds: int, coverage: str) -> None:
    known = study.make(failed=False, seeds=tuple(range(1, seeds + 1)))
    document = page(report.write([], tmp_path / "r.html", title="Known", studies=[known]))
    head, *rows = table(document, f"interval of the median{coverage}.")
    ends = [row[head.index("interval from")] for row in rows]
    assert (set(ends) == {"\N{EN DASH}"}) == (seeds == 1)


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
    assert lost["no value because"] == "3 failed: The loss became nan at step 2 (epoch 1)"


def test_censored_runs_are_rows_but_never_the_best(written: Element) -> None:
    head, *rows = table(written, "Results on the validation split")
    lost = [row for row in rows if row[head.index("state")].startswith("failed")]
    assert len(lost) == 6
    results = next(e for e in written.all("table") if "Results on" in e.all("caption")[0].text)
    classes = [row.attributes.get("class") for row in results.all("tr")[1:]]
    assert classes.count("censored") == 6
    assert classes.count("best") == 2


def test_the_best_of_each_row_of_the_grid_is_marked() -> None:
    opened = open_study(study.make())
    runs = [read_run(run) for run in study_runs(opened)]
    (shown,) = chapter_studies(opened, chapters(runs, run_labels=study_run_labels(opened)))
    figure = grid_heat_map(shown)
    assert figure is not None
    marked = {(row["down"], row["across"]) for row in figure.rows if row["best"]}
    assert marked == {("0.1", "lstm"), ("0.3", "gru")}
    lost = [row for row in figure.rows if row["value"] is None]
    assert {row["down"] for row in lost} == {"9.0"}
    assert all("failed" in str(row["why"]) for row in lost)
    seeds = seeds_figure(shown)
    assert seeds is not None
    points = [
        row["value"] for row in seeds.rows if row["kind"] == "seed" and row["label"] == "learning_rate=0.1"
    ]
    assert len(points) == 6
    assert max(float(row["value"] or 0) for row in seeds.rows if row["kind"] == "censored") > max(
        float(value or 0) for value in points
    )


def test_reliability_and_importance_are_shown(written: Element) -> None:
    rows = table(written, "Reliability of each architecture")
    assert [row[:2] for row in rows[1:]] == [["lstm", "3"], ["gru", "3"]]
    shares = table(written, "Importance of settings, all architectures: the share of each setting")
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
    assert all(len(used) == 1 for used in colours.values())
    assert colours["gru"] != colours["lstm"]


def test_a_baseline_is_a_row_and_a_rule_but_no_competitor(tmp_path: Path) -> None:
    known = study.make()
    study.add_baseline(known, "nb-svm", 0.4)
    document = page(report.write([], tmp_path / "r.html", title="Known", studies=[known]))
    rows = table(document, "Every setting of the study over its seeds")
    assert rows[-1][:2] == ["nb-svm", "\N{EN DASH}"]
    assert float(rows[-1][3]) == 0.4
    (found,) = [item for item in document.all("ul") if item.attributes.get("class") == "findings"]
    findings = [item.text for item in found.all("li")]
    assert findings[0].startswith("Order by the median of the best setting: lstm, then gru;")
    assert [row[0] for row in table(document, "Reliability of each architecture")[1:]] == ["lstm", "gru"]
    captions = [caption.text for caption in document.all("figcaption")]
    assert any("Loss of each seed" in text and "Grey rule: a baseline." in text for text in captions)


def test_a_study_on_different_data_has_a_part_for_each(tmp_path: Path) -> None:
    mixed = study.make(failed=False)
    for trial in mixed.trials():
        if trial.seed == 3:
            folders.card(run_folder.open_run(run_folder.root() / trial.run), tokenizer="bytes")
    with pytest.raises(UserError, match="the tokenizer: 'words'"):
        report.write([], tmp_path / "r.html", title="Mixed", studies=[mixed])
    document = page(
        report.write([], tmp_path / "r.html", title="Mixed", studies=[mixed], allow_incomparable=True)
    )
    titles = [heading.text for heading in document.all("h2")]
    assert titles[:2] == ["Which cell?", "Study known"]
    assert [title.startswith("Study known, reviews, ") for title in titles[2:]] == [
        True,
        True,
        False,
        False,
        False,
    ]
    seeds = [
        element.cells()[1][2]
        for element in document.all("table")
        if "Every setting of the study" in element.all("caption")[0].text
    ]
    assert seeds == ["2", "1"]


def test_the_median_of_lines_by_hand() -> None:
    lines = {1: [(0.0, 1.0), (2.0, 3.0)], 2: [(0.0, 2.0), (2.0, 2.0)], 3: [(0.0, 9.0), (1.0, 5.0)]}
    rows = [
        {"run": run, "label": "a", "architecture": "a", "optimizer": "b", "split": "valid", "kind": "run",
         **dict.fromkeys(AXES), "epoch": epoch, "value": value}
        for run, line in lines.items()
        for epoch, value in line
    ]  # fmt: skip
    medians = [(row["epoch"], row["value"]) for row in median_rows(rows, "architecture", "median")]
    # At epoch 1 the lines have 2 (interpolated), 2 and 5; at epoch 2 the third line has ended.
    assert medians == [(0.0, 2.0), (1.0, 2.0), (2.0, 2.5)]


def test_a_dataset_of_which_no_run_was_started_is_named(tmp_path: Path) -> None:
    known = study_folder.begin("parts", {"about": "", "expectation": ""}, {}, "0.1.0")
    run = folders.make()
    about = {"architecture": "lstm", "seed": 1, "epochs": (), "config": {}, "baseline": False}
    known.add_trial(Trial(number=1, setting={"data.kind": "dyck"}, run=run.path.name, **about))
    known.add_trial(Trial(number=2, setting={"data.kind": "ndfa"}, run="none-1", **about))
    known.add_event(Event(trial=2, state="failed", reason="'batching.tokens' is too small. Got 4."))
    document = page(report.write([], tmp_path / "r.html", title="Parts", studies=[known]))
    assert "No run on ndfa was started: 1 cell without a value (failed: 'batching.tokens' is too small)." in [
        item.text for item in document.all("li")
    ]
    assert len(table(document, "Every setting of the study over its seeds")) == 2


def test_equal_values_have_a_page_without_a_winner(tmp_path: Path) -> None:
    known = study_folder.begin("equal", {"about": "", "expectation": ""}, {}, "0.1.0")
    for number, (cell, seed) in enumerate(itertools.product(("lstm", "gru"), (1, 2)), start=1):
        # Equal but for rounding.
        run = folders.make(cell=cell, seed=seed, loss=0.3 if cell == "gru" else 0.1 + 0.2)
        about = {"architecture": cell, "seed": seed, "epochs": (), "config": {}, "baseline": False}
        known.add_trial(Trial(number=number, setting={}, run=run.path.name, **about))
    document = page(report.write([], tmp_path / "r.html", title="Equal", studies=[known]))
    findings = [item.text for item in document.all("li")]
    assert (
        "The median of the best setting is equal: gru and lstm; no difference is significant over seeds."
        in findings
    )
    assert any(finding.startswith("gru and lstm equal") for finding in findings)
