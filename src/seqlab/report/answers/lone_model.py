"""The answer of a page on one model, with one seed or several: its result, and how certain it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seqlab.comparison.study_pairs import SCORES, item_scores, item_scoring
from seqlab.report.answers.answer import Answer
from seqlab.report.answers.question import chapter_question
from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.learning_curves import learning_figures
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, metric_column, words
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.formatting import counted
from seqlab.stats.interval import Interval
from seqlab.stats.over_items import value_interval
from seqlab.stats.ties import difference

_INTERVAL = " From, to: the 95 % interval over texts or tokens (bootstrap)."


def lone_model(chapter: Chapter) -> Answer:
    """The result of the runs of a chapter that differ only in their seed."""
    entries = chapter.entries
    names = [_name(entries[0])]
    figures = learning_figures(chapter)
    shown = next((figure for figure in figures), None)
    return Answer(
        question=chapter_question(chapter, names),
        sentence=_sentence(chapter, names[0]),
        table=_table(chapter),
        figure=None
        if shown is None
        else replace(shown, name=f"answer: {shown.name}", source=shown.name, wide=False),
    )


def _name(entry: Entry) -> str:
    """The run's name, with its architecture where the name does not contain it."""
    name = entry.run.folder.name
    return name if entry.architecture in (*name.split("-"), "unknown") else f"{name} ({entry.architecture})"


def _sentence(chapter: Chapter, name: str) -> str:
    metric, finished = chapter.monitor, [e for e in chapter.entries if not e.censored]
    values = [value for entry in finished if (value := chapter.value(entry)) is not None]
    if not values:
        return _unfinished(chapter, name)
    if len(values) > 1:
        middle = sorted(values, key=metric.gain)
        spread = difference(max(values), min(values))
        ends = f"{metric.format_number(min(values), spread)} to {metric.format_number(max(values), spread)}"
        median = (middle[(len(values) - 1) // 2] + middle[len(values) // 2]) / 2
        return (
            f"{name} reaches {words(metric.name)} {metric.format(median, spread)} (median of "
            f"{counted(len(values), 'seed')}, {ends})."
        )
    interval = _interval(finished[0], metric)
    width = interval.width if interval is not None else 0.0
    around = ""
    if interval is not None:
        low, high = (metric.format_number(end, width) for end in interval.ends)
        around = f" (95 % interval over other texts of this kind: {low} to {high})"
    seed = "; one seed, so nothing is known about other seeds" if finished[0].run.method == "network" else ""
    return f"{name} reaches {words(metric.name)} {metric.format(values[0], width)}{around}{seed}."


def _unfinished(chapter: Chapter, name: str) -> str:
    scored = [entry for entry in chapter.entries if chapter.value(entry) is not None]
    if not scored:
        return f"{name} is not finished and was not scored yet, so there is no answer."
    entry, metric = scored[0], chapter.monitor
    return (
        f"{name} is not finished: its best validation so far, at step {entry.best_step:,}, has "
        f"{words(metric.name)} {metric.format(chapter.value(entry), 0.0)}."
    )


def _interval(entry: Entry, metric: MetricSpec) -> Interval | None:
    """The interval of a result over items; None where the items' scores are not kept."""
    if metric.name not in SCORES:
        return None
    try:
        scores = entry.run.folder.scores("valid")
    except UserError:
        # The notice at the top of the page names the damaged run.
        return None
    return None if scores is None else value_interval(item_scores(scores), item_scoring(metric, scores))


def _table(chapter: Chapter) -> ReportTable:
    entries = chapter.entries
    single = len(entries) == 1
    return ReportTable(
        name=f"answer {chapter.title}",
        caption=f"{'Metrics' if single else 'Result of each seed'} on the validation split of "
        f"{chapter.title}.{_INTERVAL if single else ''}",
        columns=_metric_columns() if single else _seed_columns(chapter),
        rows=tuple(_metric_rows(chapter, entries[0]) if single else _seed_rows(chapter, entries)),
        entries=() if single else entries,
    )


def _metric_columns() -> tuple[ReportColumn, ...]:
    return tuple(ReportColumn(title) for title in ("metric", "value", "from", "to", "unit"))


def _metric_rows(chapter: Chapter, entry: Entry) -> list[tuple[CellValue, ...]]:
    units = entry.run.units("valid")
    rows: list[tuple[CellValue, ...]] = []
    for name in sorted(entry.results, key=lambda name: name != chapter.monitor.name):
        metric = MetricSpec(name=name, unit=units.get(name, ""), better="lower")
        interval = None if entry.censored else _interval(entry, metric)
        low, high = (None, None) if interval is None else interval.ends
        rows.append((words(name), entry.results[name], low, high, metric.unit))
    return rows


def _seed_columns(chapter: Chapter) -> tuple[ReportColumn, ...]:
    metric = metric_column(chapter.monitor.name, chapter.monitor.unit)
    return (
        ReportColumn("run"),
        ReportColumn("model"),
        ReportColumn("seed"),
        metric,
        ReportColumn("best at", "step"),
    )


def _seed_rows(chapter: Chapter, entries: Sequence[Entry]) -> list[tuple[CellValue, ...]]:
    return [(e.number, e.label, e.seed, chapter.value(e), e.best_step) for e in entries]
