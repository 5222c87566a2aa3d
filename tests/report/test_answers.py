"""The first screen: question, verdict with its certainty, one table, one chart."""

from __future__ import annotations

from pathlib import Path

import folders
import numpy as np
import pytest
import study
from html_tree import Element, page

from seqlab import report
from seqlab.report.answers.answer import Answer
from seqlab.report.naming import LONGEST_LABEL, short_labels
from seqlab.report.page_template import PageContent
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.split_scores import SplitScores
from seqlab.runs.study_folder import StudyFolder

runs = folders.runs_of_the_test


def answer(*made: RunFolder, studies: tuple[StudyFolder, ...] = ()) -> Answer:
    (only,) = report.page_content(made, studies).answers
    return only


def scored(run: RunFolder, nats: np.ndarray) -> None:
    """Keep the scores of each item of the run, one token each."""
    ones = np.ones(len(nats), np.int64)
    run.write_scores("valid", SplitScores(nats=nats, targets=ones, right=0 * ones, running=False))


def test_a_study_names_the_winner_and_how_certain_it_is() -> None:
    shown = answer(studies=(study.make(failed=False),))
    assert shown.question == "Which cell?"
    assert shown.sentence == (
        "lstm has the lowest loss, 0.520 nats per token (median of 3 seeds); it is better than gru by 0.20 "
        "nats per token; 3 seeds are too few for a test (6 are needed), so other seeds may change the order."
    )
    assert [row[:3] for row in shown.table.rows] == [("lstm", "0.1", 0.52), ("gru", "0.3", 0.72)]
    assert shown.figure is not None
    assert [row["value"] for row in shown.figure.rows if row["kind"] == "seed"] == pytest.approx(
        [0.51, 0.52, 0.53, 0.71, 0.72, 0.73]
    )


def test_enough_seeds_are_tested() -> None:
    sentence = answer(studies=(study.make(failed=False, seeds=tuple(range(1, 9))),)).sentence
    # Every seed has the same sign: 2 of 2^8 flips are as extreme.
    assert "; significant over 8 seeds (p = 0.0078, 0.0078 after Holm)." in sentence


def unlucky(cell: str, rate: float, seed: int) -> float:
    """LSTM below GRU with most seeds, but far above it with three of seven."""
    return 0.6 + rate if cell == "gru" else rate + (1.2 if seed > 4 else 0.5)


def test_an_order_of_medians_is_contradicted_by_pairs_of_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "loss", unlucky)
    sentence = answer(studies=(study.make(failed=False, seeds=tuple(range(1, 8))),)).sentence
    # Of the sums of 3 x 0.6 - 4 x 0.1 after all 2^7 flips, 40 are at least as far from 0.
    gaps = np.array([0.6] * 3 + [-0.1] * 4)
    flips = np.array(np.meshgrid(*[(1, -1)] * 7)).reshape(7, -1)
    p = np.mean(np.abs(gaps @ flips) >= abs(gaps.sum()) - 1e-9)
    assert sentence == (
        "lstm has the lowest loss, 0.600 nats per token (median of 7 seeds); it is better than gru by 0.10 "
        f"nats per token; paired by seed, gru is better; not significant over 7 seeds (p = {p:.2g}, {p:.2g} "
        "after Holm), so the order may be chance."
    )


def test_an_order_of_medians_is_contradicted_by_the_same_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "loss", unlucky)
    known = study.make(failed=False, seeds=tuple(range(1, 8)))
    alternating = np.tile([0.05, -0.05], 200)
    for trial in known.trials():
        run = run_folder.open_run(run_folder.root() / trial.run)
        loss = unlucky(trial.architecture, trial.setting[study.RATE], trial.seed)
        scored(run, loss + alternating * (trial.architecture == "gru"))
    sentence = answer(studies=(known,)).sentence
    # The mean of LSTM is 0.1 + (4 x 0.5 + 3 x 1.2) / 7 = 0.9, that of GRU 0.7, with the error 0.05 / 20.
    assert (
        "better than gru by 0.10 nats per token; averaged over seeds, gru is better by 0.200 on the same "
        "tokens (95 % interval 0.195 to 0.205); not significant over 7 seeds"
    ) in sentence


def test_one_seed_has_no_spread_and_no_claim() -> None:
    shown = answer(studies=(study.make(failed=False, seeds=(1,)),))
    assert shown.sentence.endswith("one seed each, so this ranks the runs and is no claim about the models.")
    titles = [column.title for column in shown.table.columns]
    assert titles == ["model", "learning_rate", "loss", "training", "peak memory", "parameters"]
    assert shown.figure is not None
    assert {row["kind"] for row in shown.figure.rows} == {"seed"}


def test_a_baseline_that_wins_is_named_first() -> None:
    known = study.make(failed=False)
    study.add_baseline(known, "nb-svm", 0.4)
    shown = answer(studies=(known,))
    assert shown.sentence.startswith("No network beats the baseline nb-svm, with loss 0.400 nats per token:")
    assert [row[0] for row in shown.table.rows] == ["nb-svm (baseline)", "lstm", "gru"]
    assert shown.table.best == {1}, "the best network"


def test_a_baseline_that_loses_is_named_last() -> None:
    known = study.make(failed=False)
    study.add_baseline(known, "nb-svm", 0.9)
    assert answer(studies=(known,)).sentence.endswith(" The best baseline, nb-svm, has 0.900 nats per token.")


def test_the_true_distribution_is_a_floor_and_no_rival() -> None:
    known = study.make(failed=False)
    study.add_baseline(known, "oracle", 0.4)
    shown = answer(studies=(known,))
    assert shown.sentence.startswith("lstm has the lowest loss")
    assert shown.sentence.endswith(" The true distribution itself has 0.400 nats per token, 0.12 less.")
    assert shown.table.rows[0][0] == "true distribution"


def test_equal_models_have_no_winner() -> None:
    made = [folders.make(cell=cell, loss=0.5) for cell in ("gru", "lstm")]
    assert answer(*made).sentence.startswith("gru and lstm are equal, with loss 0.5000 nats per token")


def test_models_whose_losses_differ_by_rounding_have_no_winner() -> None:
    nats = np.random.default_rng(0).exponential(2.0, size=4000)
    made = []
    for cell, factor in (("gru", 1 + 1e-7), ("lstm", 1.0)):
        run = folders.make(cell=cell, loss=float(nats.mean()) * factor)
        scored(run, nats * factor)
        made.append(run)
    assert answer(*made).sentence.startswith("lstm and gru are equal but for rounding, with loss ")


def test_the_interval_of_a_run_is_that_of_its_items() -> None:
    run = folders.make(loss=2.0)
    nats = np.random.default_rng(0).exponential(2.0, size=4000)
    scored(run, nats)
    shown = answer(run)
    assert shown.question == "What loss does toy (lstm) reach on reviews?"
    assert "one seed, so nothing is known about other seeds" in shown.sentence
    (low, high), error = shown.table.rows[0][2:4], nats.std() / len(nats) ** 0.5
    # For so many items the bootstrap's interval is the normal distribution's.
    normal = [nats.mean() - 1.96 * error, nats.mean() + 1.96 * error]
    assert [low, high] == pytest.approx(normal, abs=error / 10)


def test_runs_without_a_study_are_compared_on_the_same_items() -> None:
    worse, better = folders.make(cell="gru", loss=1.2), folders.make(cell="lstm", loss=1.0)
    nats, noise = np.random.default_rng(0).exponential(1.0, size=(2, 2000))
    scored(better, nats)
    scored(worse, nats + 0.2 + 0.01 * noise)
    shown = answer(worse, better)
    assert shown.question == "Which of lstm and gru has the lowest loss on reviews?"
    assert "it is better than gru by 0.21" in shown.sentence
    name, _, difference, low, high = shown.table.rows[1][:5]
    assert (name, shown.table.columns[2].title) == ("gru", "difference from lstm")
    expected = 0.2 + 0.01 * noise.mean()
    assert difference == pytest.approx(expected)
    assert float(low or 0) < expected < float(high or 0)


def test_an_unfinished_run_states_its_best_validation_so_far() -> None:
    sentence = answer(folders.make(finished=False, loss=0.5)).sentence
    assert sentence == (
        "toy (lstm) is not finished: its best validation so far, at step 40, has loss 0.5000 nats per token."
    )


def test_a_difference_of_means_is_not_taken_for_that_of_the_medians() -> None:
    made = [
        folders.make(cell=cell, seed=seed, loss=loss)
        for cell, losses in (("gru", (0.5, 0.5, 0.2)), ("lstm", (0.6, 0.6, 0.6)))
        for seed, loss in enumerate(losses, start=1)
    ]
    for run, loss in zip(made, (0.5, 0.5, 0.2, 0.6, 0.6, 0.6), strict=True):
        scored(run, np.full(60, loss) + np.linspace(-0.01, 0.01, 60))
    shown = answer(*made)
    assert " on average over the seeds, on the same tokens (" in shown.sentence
    assert "The difference is that of the means over seeds." in shown.table.caption
    column = [column.title for column in shown.table.columns].index("difference from gru")
    # The medians, 0.5 and 0.6, are nearer to each other than the means.
    assert shown.table.rows[1][column] == pytest.approx(0.2)


def test_thirty_runs_have_names_that_fit_and_differ(tmp_path: Path) -> None:
    content: PageContent = report.page_content([], [study.make_wide()])
    architectures = {entry.architecture for entry in content.entries}
    assert architectures == {f"hidden_size={size}" for size in (16, 32, 64, 128, 256)}
    labels = {entry.label for entry in content.entries}
    assert len(labels) == 15
    assert max(map(len, labels)) <= LONGEST_LABEL
    (shown,) = content.answers
    assert [row[0] for row in shown.table.rows] == [f"hidden_size={size}" for size in (256, 128, 64, 32, 16)]


def test_long_names_stay_different() -> None:
    names = [f"{'a' * 40}{index}{'b' * 40}" for index in range(12)]
    labels = short_labels(names, 20)
    assert len(set(labels)) == 12
    assert max(map(len, labels)) <= 20
    assert short_labels(["gru", "lstm", "gru"], 20) == ["gru", "lstm", "gru"]


def test_sections_below_the_answer_are_folded(tmp_path: Path) -> None:
    run = folders.make()
    folders.shapes(run)
    document: Element = page(report.write([run], tmp_path / "r.html", title="One"))
    first = document.all("main")[0].all("section")[0]
    assert first.attributes["class"] == "answer"
    assert first.all("table")
    assert "chart" in [element.attributes.get("class") for element in first.all("div")]
    folded = {
        fold.all("h3")[0].text: "open" not in fold.attributes
        for fold in document.all("details")
        if fold.attributes.get("class") == "section"
    }
    assert {title for title, closed in folded.items() if not closed} == {"Results", "Learning curves"}
    assert folded["Diagnostics"]


def test_a_matrix_names_what_its_rows_and_columns_are(tmp_path: Path) -> None:
    run = folders.make()
    folders.shapes(run)
    content = report.page_content([run_folder.open_run(run.path)], [])
    (matrix,) = [figure for figure in content.figures if "confusion" in figure.name]
    assert [column.title for column in matrix.columns] == ["true class", "predicted", "value"]
    chart = matrix.charts[""]["layer"][0]["encoding"]
    assert (chart["x"]["title"], chart["y"]["title"]) == ("predicted", "true class")


def test_baselines_alone_have_a_page(tmp_path: Path) -> None:
    runs = [
        folders.baseline(name=kind, kind=kind, loss=loss) for kind, loss in (("oracle", 0.5), ("n-gram", 0.6))
    ]
    document = page(report.write(runs, tmp_path / "r.html", title="Baselines", allow_incomparable=True))
    assert "n-gram" in document.all("body")[0].text
