"""Perplexity by architecture and optimizer: numbers recomputed from the files, sentences known before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import folders
import numpy as np
import perplexity_runs as lm
import pytest
from folders import runs_of_the_test  # noqa: F401 (a fixture)

from seqlab.report.chapters import Chapter
from seqlab.report.charts.figure import Figure, Row
from seqlab.report.perplexity.clock_sentences import clock_sentences
from seqlab.report.perplexity.generalization_sentences import generalization_sentences
from seqlab.report.perplexity.limit_sentences import limit_sentences
from seqlab.report.perplexity.perplexity_curves import PerplexityCurve
from seqlab.report.perplexity.perplexity_sections import perplexity_sections
from seqlab.report.perplexity.runs_over_seeds import runs_over_seeds
from seqlab.report.perplexity.spread_sentences import spread_sentences
from seqlab.report.results_table import results_table
from seqlab.report.run_data import read_run
from seqlab.runs.run_folder import RunFolder

LOSSES = {
    ("elman", "adam", "constant"): (3.0, 2.5, 2.25),
    ("elman", "sgd", "constant"): (3.5, 3.25, 3.0),
    ("gru", "adam", "constant"): (2.75, 2.0, 2.125),
    ("gru", "sgd", "constant"): (3.25, 3.0, 2.5),
    ("gru", "sgd", "epoch-decay"): (2.5, 2.25, 2.0625),
}
TRAIN = (4.0, 3.0, 2.5, 2.0, 1.5, 1.0)


def grid() -> list[RunFolder]:
    """Two architectures with the three optimizers, one of them missing."""
    return [
        lm.make(
            valid,
            cell=cell,
            optimizer=optimizer,
            schedule=schedule,
            train=TRAIN,
            step_seconds=0.25 if cell == "gru" else 0.1,
        )
        for (cell, optimizer, schedule), valid in LOSSES.items()
    ]


def sentences(write: Callable[..., list[str]], *runs: RunFolder, **censored: str) -> list[str]:
    return write(runs_over_seeds(lm.chapter(runs, censored)))


def figures(chapter: Chapter) -> list[Figure]:
    return [figure for section in perplexity_sections(chapter) for figure in section.figures]


def train_of(run: RunFolder, epoch: int) -> float:
    """exp of the mean over the tokens of one epoch, from the lines of the file."""
    lines = [x for x in lm.raw(run.path / "records.jsonl") if (x["name"], x["split"]) == ("loss", "train")]
    ends = [0, *(line["tokens"] for line in lines)]
    own = [i for i, line in enumerate(lines) if epoch - 1 < line["epoch"] <= epoch]
    return math.exp(
        np.average([lines[i]["value"] for i in own], weights=[ends[i + 1] - ends[i] for i in own])
    )


def test_training_perplexity_is_that_of_the_mean_over_the_tokens_of_an_epoch() -> None:
    run = lm.make((3.0, 2.0, 1.0), train=TRAIN)
    train = [point.train for point in PerplexityCurve(read_run(run)).points]
    expected = [math.exp((15 * first + 5 * second) / 20) for first, second in ((4, 3), (2.5, 2), (1.5, 1))]
    assert train == pytest.approx(expected)
    assert train == pytest.approx([train_of(run, epoch) for epoch in (1, 2, 3)])


def test_training_perplexity_within_an_epoch_is_over_as_much_as_one_epoch() -> None:
    run = lm.make((3.0, 2.0), train=TRAIN)
    curve = PerplexityCurve(read_run(run))
    moments = [moment for _, moment in curve.run.scalars("loss", "train")]
    assert curve.train_at(moments[0]) == pytest.approx(math.exp(4.0))
    # At epoch 1.75: the last five steps of the first epoch, and fifteen of the second.
    assert curve.train_at(moments[2]) == pytest.approx(math.exp((5 * 3.0 + 15 * 2.5) / 20))


def test_a_smoothed_training_loss_has_no_perplexity() -> None:
    run = lm.make((3.0, 2.0), training="label_smoothing = 0.1")
    assert [point.train for point in PerplexityCurve(read_run(run)).points] == [None, None]


def test_the_table_is_sorted_with_the_perplexities_of_the_files_and_the_best_in_bold() -> None:
    runs = grid()
    chapter = lm.chapter(runs[::-1])
    table = results_table(chapter)
    titles = [column.title for column in table.columns]
    cells = [dict(zip(titles, row, strict=True)) for row in table.rows]
    assert [(row["architecture"], row["optimizer"]) for row in cells] == [
        ("elman", "adam"),
        ("elman", "sgd"),
        ("gru", "adam"),
        ("gru", "sgd"),
        ("gru", "sgd, epoch-decay"),
    ]
    for row, run, valid in zip(cells, runs, LOSSES.values(), strict=True):
        best = int(np.argmin(valid))
        assert row["perplexity"] == pytest.approx(math.exp(valid[best]))
        assert row["training perplexity"] == pytest.approx(train_of(run, best + 1))
        assert row["command"] == f"seqlab train {run.config_path} --device cpu --threads 2"
    assert {index for index, row in enumerate(cells) if row["run"] in (1, 3)} == set(table.best)


def test_every_architecture_and_optimizer_has_its_validation_curves_over_epochs_and_seconds() -> None:
    runs = grid()
    chapter = lm.chapter(runs)
    made = {figure.name: figure for figure in figures(chapter)}
    groups = ("architecture elman", "architecture gru")
    groups += ("optimizer adam", "optimizer sgd", "optimizer sgd, epoch-decay")
    for group in groups:
        role, _, value = group.partition(" ")
        for axis, title in (("epoch", "epochs"), ("seconds", "seconds of training")):
            figure = made.pop(f"validation perplexity, {group}, on reviews, over {title.split(' ')[0]}")
            (chart,) = figure.charts.values()
            assert {layer["encoding"]["x"]["field"] for layer in chart["layer"]} == {axis}
            assert {layer["encoding"]["x"]["title"] for layer in chart["layer"]} == {title}
            chosen = [entry for entry in chapter.entries if getattr(entry, role) == value]
            assert {row["run"] for row in figure.rows} == {entry.number for entry in chosen}
            other = "optimizer" if role == "architecture" else "architecture"
            assert {item.label for item in figure.legend} == {getattr(entry, other) for entry in chosen}
            for entry in chosen:
                rows = [row for row in figure.rows if row["run"] == entry.number]
                assert_validations(rows, entry.run.folder)
    assert sorted(made) == [
        "perplexity of each experiment on reviews, over epochs",
        "perplexity of each experiment on reviews, over seconds",
    ]


def assert_validations(rows: Sequence[Row], run: RunFolder) -> None:
    """The rows are the validations in the files, at the seconds between the timings."""
    records = [x for x in lm.raw(run.path / "records.jsonl") if (x["name"], x["split"]) == ("loss", "valid")]
    timings = lm.raw(run.path / "timings.jsonl")
    assert [row["value"] for row in rows] == pytest.approx([math.exp(line["value"]) for line in records])
    assert [row["epoch"] for row in rows] == [line["epoch"] for line in records]
    expected = np.interp(
        [line["step"] for line in records],
        [line["step"] for line in timings],
        [line["seconds"] for line in timings],
    )
    assert [row["seconds"] for row in rows] == pytest.approx(expected.tolist())


def test_each_experiment_has_a_panel_with_its_training_and_validation_curve() -> None:
    runs = grid()
    chapter = lm.chapter(runs)
    for figure in figures(chapter)[-2:]:
        assert [panel.value for panel in figure.panels] == [1, 2, 3, 4, 5]
        for panel, run in zip(figure.panels, runs, strict=True):
            rows = figure.panel_rows(panel)
            assert_validations([row for row in rows if row["curve"] == "validation"], run)
            training = [row["value"] for row in rows if row["curve"] == "training"]
            assert training == pytest.approx([train_of(run, epoch) for epoch in (1, 2, 3)])


def test_experiments_of_one_architecture_and_optimizer_are_named_by_what_differs() -> None:
    runs = [lm.make((2.0, 1.5), training=f"clip_norm = {norm}") for norm in (1.0, 2.0)]
    runs += [lm.make((2.0, 1.5), optimizer="sgd"), lm.make((2.0, 1.5), cell="elman")]
    assert [each.name for each in runs_over_seeds(lm.chapter(runs))] == [
        "elman with adam",
        "gru with adam (clip_norm=1.0)",
        "gru with adam (clip_norm=2.0)",
        "gru with sgd",
    ]


def test_one_architecture_or_one_optimizer_has_no_such_sections() -> None:
    assert not perplexity_sections(lm.chapter([lm.make((2.0, 1.0)), lm.make((2.0, 1.0), cell="elman")]))
    assert not perplexity_sections(lm.chapter([lm.make((2.0, 1.0)), lm.make((2.0, 1.0), optimizer="sgd")]))


def test_runs_without_a_perplexity_have_no_such_sections() -> None:
    """Also where some are unfinished, which might have ended before their first validation."""
    runs = [
        folders.make(cell=cell, optimizer=optimizer, finished=finished)
        for cell, optimizer, finished in (
            ("gru", "adam", True),
            ("lstm", "sgd", False),
            ("lstm", "adam", True),
        )
    ]
    assert not perplexity_sections(lm.chapter(runs))


def test_a_page_of_runs_that_all_diverged_draws_what_there_is() -> None:
    runs = [
        lm.make((3.0, 300.0), cell=cell, optimizer=optimizer, finished=False)
        for cell, optimizer in (("gru", "adam"), ("elman", "sgd"))
    ]
    runs.append(lm.make((709.7,), train=(709.7,) * 2, cell="elman", optimizer="adam", finished=False))
    chapter = lm.chapter(runs, {run.path.name: "diverged: nan" for run in runs})
    roles, experiments = perplexity_sections(chapter)
    (limits,) = [note for note in roles.notes if note.title == "What these runs do not show"]
    assert sum("has no result: diverged: nan" in each for each in limits.sentences) == 3
    assert [panel.value for panel in experiments.figures[0].panels] == [
        entry.number for entry in chapter.entries if entry.run.folder.path != runs[2].path
    ]


def test_a_diverged_run_is_named_and_does_not_stretch_the_axis() -> None:
    lost = lm.make((3.0, 300.0), cell="elman", optimizer="sgd", finished=False, training="clip_norm = 9.0")
    runs = [*grid(), lost]
    chapter = lm.chapter(runs, {lost.path.name: "diverged: validation loss 300"})
    (number,) = [entry.number for entry in chapter.entries if entry.run.folder.path == lost.path]
    elman = figures(chapter)[0]
    assert any(item.label.endswith(", diverged") for item in elman.legend)
    assert "ends at the highest value of a finished run" in elman.caption
    domain = next(iter(elman.charts.values()))["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain[1] < 2 * math.exp(3.5)
    assert next(row["value"] for row in elman.rows if row["run"] == number) == pytest.approx(math.exp(3.0))
    found = runs_over_seeds(chapter)
    assert any("has no result: diverged: validation loss 300" in each for each in limit_sentences(found))
    (spread,) = [each for each in spread_sentences(chapter, found) if each.startswith("Spread")]
    assert "1 of 3 diverged" in spread
    assert "elman" in spread.partition(";")[2], "an architecture without such settings is more reliable"


def test_the_clock_is_won_within_equal_seconds_and_not_by_the_lowest_end() -> None:
    slow = lm.make((3.0, 1.0), step_seconds=1.0)
    fast = lm.make((2.5, 2.0), cell="elman", step_seconds=0.5)
    rule, lead, *more = sentences(clock_sentences, slow, fast)
    # The fast run ends at 20 s, when the slow one has had its first validation.
    assert "within the seconds that every run had, 20 s" in rule
    assert lead == (
        f"{label('elman')} reached the lowest, 7.389; next is {label('gru')}, 20.09; one seed each, so "
        "nothing is known of other seeds."
    )
    assert not more
    _, lowest, *_ = sentences(generalization_sentences, slow, fast)
    assert lowest.startswith(f"{label('gru')} has the lowest, 2.718")


def label(cell: str) -> str:
    """The name of the experiment of a cell with this cell."""
    return f"{cell} with adam"


def test_an_earlier_leader_is_named() -> None:
    late = lm.make((3.0, 2.9, 2.8, 1.0), step_seconds=1.0)
    early = lm.make((2.0, 1.9, 1.8, 1.7), cell="elman", step_seconds=1.0)
    _, lead, before = sentences(clock_sentences, late, early)
    assert lead.startswith(f"{label('gru')} reached the lowest, 2.718; next is {label('elman')}, 5.474")
    assert before == f"Within a quarter of that time, 20 s, {label('elman')} led with 7.389."


def test_equal_experiments_are_both_named() -> None:
    runs = [lm.make((2.0, 1.0)), lm.make((3.0, 1.0), cell="elman")]
    _, lead = sentences(clock_sentences, *runs)
    assert (
        lead == f"{label('elman')} and {label('gru')} reached the same lowest validation perplexity, 2.718."
    )
    _, lowest, *_ = sentences(generalization_sentences, *runs)
    assert f", as has {label('elman')}" in lowest or f", as has {label('gru')}" in lowest


@pytest.mark.parametrize(("seeds", "verdict"), [(2, "too few for a test"), (6, "significant over seeds")])
def test_with_seeds_the_median_leads_and_is_tested(seeds: int, verdict: str) -> None:
    every = range(1, seeds + 1)
    runs = [lm.make((2.0, 1.0 + 0.01 * seed), seed=seed) for seed in every]
    runs += [lm.make((2.0, 1.5 + 0.01 * seed), cell="elman", seed=seed) for seed in every]
    _, lead, *_ = sentences(clock_sentences, *runs)
    middle = np.median([math.exp(1.0 + 0.01 * seed) for seed in every])
    assert f"{label('gru')} reached the lowest, {middle:.3f} (median of {seeds} seeds, 2.746 to" in lead
    assert f"{seeds} seeds: {verdict}" in lead
    limits = " ".join(sentences(limit_sentences, *runs))
    assert ("no order is significant over seeds" in limits) == (seeds < 6)


def test_a_seed_that_diverged_counts_as_worse_than_any() -> None:
    runs = [lm.make((2.0, 1.0), seed=1), lm.make((9.0,), seed=2, finished=False), lm.make((2.0, 1.1), seed=3)]
    runs += [lm.make((2.0, 1.25 + 0.01 * seed), cell="elman", seed=seed) for seed in (1, 2, 3)]
    _, lead, *_ = sentences(clock_sentences, *runs, **{runs[1].path.name: "diverged: nan"})
    # Of 1.0, 1.1 and a failure the median is 1.1.
    assert (
        f"reached the lowest, {math.exp(1.1):.3f} (median of 3 seeds, 2.718 to 3.004, 1 without a value)"
        in lead
    )


def test_a_run_that_may_continue_takes_no_part() -> None:
    best = lm.make((1.0, 0.5), cell="elman", finished=False)
    runs = [lm.make((2.0, 1.0)), lm.make((2.0, 1.5), optimizer="sgd")]
    _, lead, *_ = sentences(clock_sentences, best, *runs)
    assert "elman" not in lead
    assert any("has no result: unfinished" in each for each in sentences(limit_sentences, best, *runs))


def test_seconds_of_different_machines_are_not_compared() -> None:
    runs = [lm.make((2.0, 1.0)), lm.make((2.0, 1.5), cell="elman")]
    folders.card(runs[0], environment={**folders.ENVIRONMENT, "processor": "Another"})
    assert sentences(clock_sentences, *runs) == [
        "Which experiment is best on the clock cannot be said, because the runs differ in the processor."
    ]


def test_generalization_names_the_gap_the_cost_and_a_cheaper_experiment() -> None:
    best = lm.make((2.0, 1.0), train=(2.0, 2.0, 0.5, 0.5), step_seconds=1.0, parameters=5000)
    cheap = lm.make((2.0, 1.5), cell="elman", train=(2.0, 2.0, 1.5, 1.5), step_seconds=0.25, parameters=70)
    _, lowest, cheaper, narrow = sentences(generalization_sentences, best, cheap)
    assert lowest.startswith(
        f"{label('gru')} has the lowest, 2.718; training 1.649, gap 1.070; it took 40 s and 5,000 "
        f"parameters; next is {label('elman')}, 4.482"
    )
    assert cheaper == (
        f"With at most half of its seconds, {label('elman')} has 4.482, 64.9 % more; it took 10 s and 70 "
        "parameters."
    )
    assert narrow.startswith(f"{label('elman')} has the smallest gap, 0")
    assert "64.9 % more than the lowest: it has learned less of the training text, too" in narrow


def test_a_result_of_the_first_epoch_has_no_gap() -> None:
    runs = [lm.make((1.0, 2.0)), lm.make((1.5, 2.0), cell="elman")]
    _, lowest = sentences(generalization_sentences, *runs)
    assert "gap" not in lowest
    (limit,) = [each for each in sentences(limit_sentences, *runs) if "first epoch" in each]
    assert limit.startswith("All finished runs had the best checkpoint in the first epoch")


def test_unequal_budgets_and_runs_that_still_improve_are_named() -> None:
    runs = [lm.make((2.0, 1.0, 1.5), parameters=1000), lm.make((2.0, 1.5), cell="elman", parameters=2000)]
    found = sentences(limit_sentences, *runs)
    assert any("different numbers of tokens in training, from 4,000 to 6,000" in each for each in found)
    assert any("different numbers of parameters, from 1,000 to 2,000" in each for each in found)
    # The chapter is sorted by architecture, so the elman net is run 1.
    assert any(
        each.startswith("Of the finished runs, run 1 had the lowest perplexity at the") for each in found
    )
    equal = [lm.make((2.0, 1.0, 1.5)), lm.make((2.0, 1.0, 1.5), cell="elman")]
    assert len(sentences(limit_sentences, *equal)) == 1, "one seed is all that limits them"


def test_reliability_is_the_spread_over_settings_and_how_many_are_near_the_best() -> None:
    chapter = lm.chapter(grid())
    _, spread, least, near, counts = spread_sentences(chapter, runs_over_seeds(chapter))
    elman, gru = math.exp(3.0 - 2.25), math.exp(2.5 - 2.0)
    assert spread == (
        f"Spread: gru {gru:.3g} (7.389 to 12.18 over 3 settings); elman {elman:.3g} (9.488 to 20.09 over 2 "
        "settings)."
    )
    assert least == "gru has the smallest."
    assert near.startswith(
        "Near the best: gru: 1 of 3 settings within 0.040 nats per token of the best of all"
    )
    assert "2 of elman" in counts
    assert "3 of gru" in counts


def test_equal_spreads_and_a_reliable_architecture_that_is_not_the_best() -> None:
    def two(cell: str, low: float, high: float) -> list[RunFolder]:
        return [
            lm.make((low,), cell=cell, optimizer="adam"),
            lm.make((high,), cell=cell, optimizer="sgd"),
        ]

    tied = lm.chapter([*two("gru", 1.0, 1.5), *two("elman", 2.0, 2.5)])
    assert "elman and gru have the same spread, which is the smallest." in spread_sentences(
        tied, runs_over_seeds(tied)
    )
    worse = lm.chapter([*two("gru", 1.0, 1.5), *two("elman", 2.0, 2.1)])
    assert (
        f"elman has the smallest. Its best setting, 7.389, is {100 * (math.e - 1):.3g} % above the best of "
        "all." in spread_sentences(worse, runs_over_seeds(worse))
    )


def test_lines_have_the_colour_of_the_other_role_and_a_shape_of_their_own() -> None:
    runs = [*grid(), lm.make((2.0, 1.9, 1.8), training="patience = 3")]
    gru = figures(lm.chapter(runs))[2]
    assert gru.name.startswith("validation perplexity, architecture gru")
    adam = [item.style for item in gru.legend if "adam" in item.label]
    assert len(adam) == 2
    assert len({style.colour for style in adam}) == 1
    assert len({(style.shape, style.dash) for style in adam}) == 2
    assert len({item.style.colour for item in gru.legend}) == 3
