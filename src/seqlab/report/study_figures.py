"""Figures on a study: seeds, reliability, and how good the best of a few settings is."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from seqlab.compare.study import Group, short
from seqlab.report.look import GREY, Figure, Palette, Panel, Row, finished, over_rows, rules, scale
from seqlab.report.study_view import StudyView
from seqlab.report.tables import ReportColumn, words
from seqlab.stats.reliability import Reliability

MOST_SETTINGS = 12
"""Settings of an architecture whose seeds are drawn: its best ones."""


def title(study: StudyView) -> list[str]:
    """What the study measures, as the title of an axis."""
    what = study.monitor
    return [words(what.name), what.unit] if what.unit not in ("", words(what.name)) else [words(what.name)]


def looks(study: StudyView, *, shown: bool = False) -> Palette:
    """The looks of the study's architectures."""
    return Palette("architecture", study.styles, shown)


def over_seeds(study: StudyView) -> Figure | None:
    """A point for each seed, a line at a setting's median; None where every setting has one seed."""
    if max((group.summary.seeds for group in study.groups), default=0) < 2:
        return None
    kept = [group for one in study.best for group in _of(study, one.architecture)[:MOST_SETTINGS]]
    edge = _edge(study, kept)
    rows = tuple(row for place, group in enumerate(kept) for row in _seeds(study, group, place, edge))
    single = max(len(_of(study, one.architecture)) for one in study.best) == 1
    base = over_rows().encode(y=_settings_axis("architecture" if single else "label"))
    values = [float(row["value"] or 0) for row in rows + _baselines(study)]
    return Figure(
        name=f"seeds of study {study.name} on {study.chapter.title}",
        caption=_of_seeds(study, kept, rows),
        charts={
            "": finished(*_strips(study, base, values), *_standing(study), height=_tall(kept, single=single))
        },
        rows=rows + _baselines(study),
        keys=("architecture", "label", "seed", "value", "why"),
        columns=(
            ReportColumn("architecture"),
            ReportColumn("setting"),
            ReportColumn("seed"),
            ReportColumn(words(study.monitor.name), study.monitor.unit),
            ReportColumn("censored"),
        ),
        by="" if single else "architecture",
        panels=() if single else tuple(Panel(one.architecture, one.architecture) for one in study.best),
        listed=lambda row: row["kind"] in ("seed", "censored"),
        wide=True,
    )


def _of_seeds(study: StudyView, kept: Sequence[Group], rows: Sequence[Row]) -> str:
    what = words(study.monitor.name).capitalize()
    words_ = [f"{what} of each seed (points), the median of a setting (lines), the best setting first."]
    if len(kept) < len(study.groups):
        words_.append(f"Of each architecture the best {MOST_SETTINGS} settings are drawn.")
    if any(row["kind"] == "censored" for row in rows):
        words_.append("A cross at the edge: a seed without a value.")
    if study.baselines:
        words_.append("A grey rule: a baseline.")
    return " ".join(words_)


def _of(study: StudyView, architecture: str) -> list[Group]:
    return [group for group in study.groups if group.architecture == architecture]


def _tall(kept: Sequence[Group], *, single: bool) -> int:
    most = max(sum(group.architecture == one.architecture for group in kept) for one in kept)
    return max(90, 26 * (len(kept) if single else most))


def _edge(study: StudyView, groups: Sequence[Group]) -> float:
    """Where seeds without a value are drawn: beyond the worst one."""
    known = [cell.value for group in groups for cell in group.cells if cell.value is not None]
    if not known:
        return 0.0
    worst, best = max(known, key=study.loss), min(known, key=study.loss)
    return worst + 0.08 * (worst - best)


def _seeds(study: StudyView, group: Group, place: int, edge: float) -> list[Row]:
    like: Row = {
        "architecture": group.architecture,
        "label": group.label,
        "order": place,
        "why": None,
        "seed": None,
    }
    rows: list[Row] = []
    for cell in group.cells:
        kind = "seed" if cell.value is not None else "censored"
        value = edge if cell.value is None else cell.value
        why = short(cell.censored) or None
        rows.append({**like, "kind": kind, "seed": cell.seed, "value": value, "why": why})
    if group.summary.median is not None:
        rows.append({**like, "kind": "median", "value": group.summary.median})
    return rows


def _settings_axis(field: str) -> alt.Y:
    return alt.Y(
        f"{field}:N",
        title=None,
        sort=alt.EncodingSortField("order", op="min"),
        axis=alt.Axis(labelLimit=220, ticks=False, domain=False, grid=True),
    )


def _strips(study: StudyView, base: alt.Chart, values: Sequence[float]) -> list[alt.Chart]:
    base = base.encode(
        x=alt.X(
            "value:Q",
            title=title(study),
            scale=scale(values, fixed=True),
            axis=alt.Axis(tickCount=5, labelOverlap=True),
        )
    )
    points = base.transform_filter("datum.kind === 'seed'").mark_point(filled=True, size=60, opacity=0.75)
    medians = base.transform_filter("datum.kind === 'median'").mark_tick(thickness=3, size=20)
    lost = base.transform_filter("datum.kind === 'censored'").mark_point(
        shape="M-0.5,-0.5L0.5,0.5M0.5,-0.5L-0.5,0.5", size=90, strokeWidth=2, color=GREY
    )
    tips = ["architecture:N", alt.Tooltip("label:N", title="setting"), "seed:N"]
    value = alt.Tooltip("value:Q", format=",.6~g", title=words(study.monitor.name))
    colour = looks(study).colour
    return [
        points.encode(color=colour, tooltip=[*tips, value]),
        medians.encode(color=colour, tooltip=[*tips[:2], value]),
        lost.encode(tooltip=[*tips, alt.Tooltip("why:N", title="censored")]),
    ]


def _baselines(study: StudyView) -> tuple[Row, ...]:
    nothing = dict.fromkeys(("architecture", "order", "why", "seed", "k"))
    return tuple(
        {**nothing, "kind": "baseline", "label": group.architecture, "value": group.summary.median}
        for group in study.baselines
        if group.summary.median is not None
    )


def _standing(study: StudyView) -> list[alt.LayerChart | alt.Chart]:
    return rules("x") if _baselines(study) else []


def spread(study: StudyView, found: Sequence[Reliability]) -> list[Figure]:
    """The settings' medians of each architecture, and the best of k of them; [] where nobody has two."""
    if max((one.settings for one in found), default=0) < 2:
        return []
    return [_distribution(study, found), _best_of(study, found)]


def _distribution(study: StudyView, found: Sequence[Reliability]) -> Figure:
    order = {one.architecture: place for place, one in enumerate(found)}
    edge = _edge(study, study.groups)
    rows = [_setting(group, order) for group in study.groups if group.summary.median is not None]
    quartiles: list[Row] = [
        {
            "kind": "quartiles",
            "architecture": one.architecture,
            "label": None,
            "order": order[one.architecture],
            "value": one.median,
            "low": edge if one.lower_quartile is None else one.lower_quartile,
            "high": edge if one.upper_quartile is None else one.upper_quartile,
        }
        for one in found
    ]
    what = words(study.monitor.name)
    return Figure(
        name=f"spread over settings in study {study.name} on {study.chapter.title}",
        caption=f"Median {what} of each setting (points), their median (line) and the middle half of them "
        "(bar; "
        "to the edge where its end is censored); the most reliable architecture first.",
        charts={"": finished(*_spread_layers(study, [*rows, *quartiles]), height=max(110, 46 * len(found)))},
        rows=(*rows, *quartiles),
        keys=("architecture", "label", "value"),
        columns=(
            ReportColumn("architecture"),
            ReportColumn("setting"),
            ReportColumn(f"median {what}", study.monitor.unit),
        ),
        listed=lambda row: row["kind"] == "setting",
    )


def _setting(group: Group, order: dict[str, int]) -> Row:
    return {
        "kind": "setting",
        "architecture": group.architecture,
        "label": group.label,
        "order": order[group.architecture],
        "value": group.summary.median,
        "low": None,
        "high": None,
    }


def _spread_layers(study: StudyView, rows: Sequence[Row]) -> list[alt.Chart]:
    values = [
        float(row[key] or 0) for row in rows for key in ("value", "low", "high") if row[key] is not None
    ]
    axis = scale(values, fixed=True)
    place = alt.X("value:Q", title=title(study), scale=axis, axis=alt.Axis(tickCount=5, labelOverlap=True))
    base = over_rows().encode(y=_settings_axis("architecture"), color=looks(study).colour)
    tips = ["architecture:N", alt.Tooltip("label:N", title="setting"), alt.Tooltip("value:Q", format=",.6~g")]
    middle = base.transform_filter("datum.kind === 'quartiles'")
    settings = base.transform_filter("datum.kind === 'setting'")
    bars = middle.mark_bar(height=12, opacity=0.25)
    ends = (alt.X("low:Q", title=title(study), scale=axis), alt.X2("high:Q"))
    return [
        bars.encode(x=ends[0], x2=ends[1]),
        settings.mark_point(filled=True, size=46, opacity=0.65).encode(x=place, tooltip=tips),
        middle.transform_filter("isValid(datum.value)").mark_tick(thickness=3, size=24).encode(x=place),
    ]


def _whole(rows: Sequence[Row]) -> list[int]:
    """At most about 8 whole numbers between the ends of the field k."""
    places = [int(row["k"] or 0) for row in rows]
    return list(range(min(places, default=1), max(places, default=1) + 1, max(1, len(set(places)) // 8)))


def _best_of(study: StudyView, found: Sequence[Reliability]) -> Figure:
    rows: tuple[Row, ...] = tuple(
        {"architecture": one.architecture, "k": k, "value": value}
        for one in found
        for k, value in enumerate(one.expected_best, start=1)
        if value is not None
    )
    base = over_rows().encode(
        x=alt.X(
            "k:Q",
            title="settings tried",
            axis=alt.Axis(values=_whole(rows), format="d"),
            scale=alt.Scale(nice=False),
        ),
        y=alt.Y("value:Q", title=title(study), scale=scale([float(row["value"] or 0) for row in rows])),
        color=looks(study, shown=True).colour,
        tooltip=[
            "architecture:N",
            alt.Tooltip("k:Q", title="settings"),
            alt.Tooltip("value:Q", format=",.6~g"),
        ],
    )
    marks = base.mark_point(filled=True, size=40, opacity=1).encode(shape=looks(study, shown=True).shape)
    return Figure(
        name=f"expected best in study {study.name} on {study.chapter.title}",
        caption="What a smaller search would have found: the expected best of so many settings chosen at "
        "random among "
        "those tried. Where all chosen ones might be censored there is no point.",
        charts={"": finished(base.mark_line(strokeWidth=2), marks)},
        rows=rows,
        keys=("architecture", "k", "value"),
        legend=looks(study).keys,
        columns=(
            ReportColumn("architecture"),
            ReportColumn("settings tried"),
            ReportColumn(f"expected best {words(study.monitor.name)}", study.monitor.unit),
        ),
    )
