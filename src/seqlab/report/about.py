"""Tables of what was run: on which data, with which settings, on what machine, at what cost."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seqlab.report.comparing import Chapter, Entry
from seqlab.report.run_data import RunData
from seqlab.report.tables import RUN, CellValue, ReportColumn, ReportTable, named, spent
from seqlab.runs.run_shapes import SplitSize
from seqlab.schema.settings import flat, format_setting

CARD = (
    "split",
    "dataset",
    "unit",
    "loss_unit",
    "sequences",
    "tokens",
    "targets",
    "scored_as",
    "end_token_counts",
    "tokenizer",
    "vocabulary",
    "split_sha256",
    "texts_sha256",
    "signatures",
)
"""What of a card says on what a number was measured, in the order of its table."""


def data(chapter: Chapter) -> ReportTable | None:
    """Origin, terms and sizes of what was learned from; None where no run's could be read."""
    found = _alike([(entry, _properties(entry.run)) for entry in chapter.entries if entry.run.data])
    if not found:
        return None
    return _side_by_side(f"data {chapter.title}", f"What was learned from: {chapter.title}.", found)


def _properties(run: RunData) -> dict[str, CellValue]:
    about, card = run.data, run.cards.get("valid")
    if about is None:
        return {}
    splits = {f"{split} split": _sizes(sizes) for split, sizes in about["splits"].items()}
    return {
        "dataset": about["name"],
        "what it is": about["description"],
        "origin": about["origin"],
        "licence": about["licence"],
        **splits,
        "labels": ", ".join(about["labels"]) or None,
        "tokenizer": about["tokenizer"].get("kind"),
        "vocabulary": card["vocabulary"] if card else None,
        "validation texts that stand in training": card["equal_to_training"] if card else None,
        "SHA-256 of the content": about["content_hash"],
    }


def _sizes(sizes: SplitSize) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sizes.items())


def cards(chapter: Chapter) -> ReportTable | None:
    """What published numbers of a chapter were measured on, and how; None where no run has a card."""
    found = [
        (entry, {key: _said(card[key]) for key in CARD})
        for entry in chapter.entries
        for card in entry.run.cards.values()
    ]
    if not found:
        return None
    caption = (
        "Cards: what the numbers were measured on, and how. Runs with the same card share a column; numbers "
        "of one split are ranked only where all of it that matters is equal. Seed, step and machine stand in "
        "the other tables."
    )
    return _side_by_side(f"cards {chapter.title}", caption, _alike(found))


def _said(value: Any) -> CellValue:
    match value:
        case None:
            return None
        case Mapping():
            return "; ".join(f"{key}: {words}" for key, words in value.items())
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


Alike = list[tuple[dict[str, CellValue], list[int]]]


def _alike(found: Sequence[tuple[Entry, dict[str, CellValue]]]) -> Alike:
    """The tables that differ, each with the numbers of the runs that have it."""
    groups: Alike = []
    for entry, table in found:
        same = next((place for place, (known, _) in enumerate(groups) if _agree(known, table)), None)
        if same is None:
            groups.append((table, [entry.number]))
        else:
            known, numbers = groups[same]
            filled = {key: value for key, value in table.items() if value is not None}
            groups[same] = ({**table, **known, **filled}, [*numbers, entry.number])
    return groups


def _agree(known: Mapping[str, CellValue], table: Mapping[str, CellValue]) -> bool:
    """Whether two tables say nothing different; an unfinished run knows less."""
    return all(known[key] == value for key, value in table.items() if None not in (value, known.get(key)))


def _side_by_side(name: str, caption: str, groups: Alike) -> ReportTable:
    """A row for each property, a column for each group of runs; what nobody knows is left out."""
    keys = dict.fromkeys(key for table, _ in groups for key in table)
    rows = [(key, *(table.get(key) for table, _ in groups)) for key in keys]
    heads = (
        [ReportColumn("value")]
        if len(groups) == 1
        else [ReportColumn(_range(numbers)) for _, numbers in groups]
    )
    return ReportTable(
        name=name,
        caption=caption,
        columns=(ReportColumn("property"), *heads),
        rows=tuple(row for row in rows if any(cell is not None for cell in row[1:])),
    )


def settings(chapter: Chapter) -> ReportTable | None:
    """Settings that all runs share; None where none is known. Those that differ stand beside the results."""
    known = [flat(entry.run.settings) for entry in chapter.entries if entry.run.settings]
    apart = {key for key, _ in differing(chapter)}
    apart |= {key for key in ("seed", "name") if _differs(key, known)}
    shared = tuple((key, _value(_first(key, known))) for key in _keys(known) if key not in apart)
    if not shared:
        return None
    return ReportTable(
        name=f"shared settings {chapter.title}",
        caption="Settings that all runs share." if len(known) > 1 else "All settings of the run.",
        columns=(ReportColumn("setting", code=True), ReportColumn("value")),
        rows=shared,
    )


def differing(chapter: Chapter) -> list[tuple[str, list[str | None]]]:
    """Settings that differ between runs, each with its value of every run; None where it has none.

    What networks share and baselines do not have, or the other way round, is no such setting. Those that
    differ between most runs come first.
    """
    tables = [flat(entry.run.settings) for entry in chapter.entries]
    kinds = [
        [
            table
            for table, entry in zip(tables, chapter.entries, strict=True)
            if table and entry.baseline == is_one
        ]
        for is_one in (False, True)
    ]
    keys = [
        key
        for key in _keys([table for table in tables if table])
        if key not in ("seed", "name") and (_within(key, kinds) or _between(key, kinds))
    ]
    keys.sort(key=lambda key: not _within(key, kinds))
    return [(key, [_value(table.get(key)) for table in tables]) for key in keys]


def _within(key: str, kinds: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether a setting differs between the networks, or between the baselines."""
    return any(_differs(key, tables) for tables in kinds)


def _between(key: str, kinds: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether networks and baselines both have it, with different values."""
    return len({format_setting(tables[0][key]) for tables in kinds if tables and key in tables[0]}) > 1


def _first(key: str, tables: Sequence[Mapping[str, Any]]) -> Any:
    return next(table[key] for table in tables if key in table)


def _keys(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for table in tables for key in table))


def _differs(key: str, tables: Sequence[Mapping[str, Any]]) -> bool:
    return len({format_setting(table.get(key)) for table in tables}) > 1


def cost(entries: Sequence[Entry]) -> ReportTable:
    """What each run took."""
    found = [(entry, spent(entry)) for entry in entries]
    total = sum(table["training_seconds"] or 0.0 for _, table in found)
    total += sum(table["evaluation_seconds"] or 0.0 for _, table in found)
    keys = ("steps", "epochs", "tokens", "training_seconds", "evaluation_seconds")
    keys = (*keys, "tokens_per_second", "peak_memory_mib", "threads", "device", "processor")
    return ReportTable(
        name="cost",
        caption=f"What the runs cost: {total:,.0f} s together. Evaluation is the one at the end. Peak memory "
        "is that of the whole process, which may have held other runs before.",
        columns=(
            *RUN,
            ReportColumn("steps"),
            ReportColumn("epochs"),
            ReportColumn("tokens seen"),
            ReportColumn("training", "s"),
            ReportColumn("evaluation", "s"),
            ReportColumn("speed", "tokens/s"),
            ReportColumn("peak memory", "MiB"),
            ReportColumn("threads"),
            ReportColumn("device"),
            ReportColumn("processor"),
        ),
        rows=tuple((*named(entry), *(table[key] for key in keys)) for entry, table in found),
        entries=tuple(entries),
    )


def environment(entries: Sequence[Entry]) -> ReportTable | None:
    """Versions, processor and threads, one column for runs that share them; None where none is known."""
    found = _alike([(one, _place(one)) for one in entries if one.run.environment])
    if not found:
        return None
    more = " Seconds of different columns should not be compared." if len(found) > 1 else ""
    caption = f"On what the runs were made. Equal bits are promised where all of it is equal.{more}"
    table = _side_by_side("environment", caption, found)
    heads = tuple(ReportColumn(_range(numbers)) for _, numbers in found)
    return replace(table, columns=(ReportColumn("property"), *heads))


def _place(entry: Entry) -> dict[str, CellValue]:
    known = flat(entry.run.environment or {})
    return {key.removeprefix("versions."): _value(value) for key, value in known.items()}


def folders(entries: Sequence[Entry]) -> ReportTable:
    """The folder of each run, its state, and why it ended."""
    return ReportTable(
        name="runs",
        caption="Run folders. The command beside a run's results repeats it to the bit in the same "
        "environment. It needs the settings, given in full below. Set `SEQLAB_RUNS` to another "
        "folder first: where the finished run itself stands, the command only shows its result.",
        columns=(*RUN, ReportColumn("folder"), ReportColumn("state"), ReportColumn("ended because")),
        rows=tuple(
            (
                *named(entry),
                entry.run.folder.path.name,
                entry.run.status,
                entry.run.summary["stopped"] if entry.run.summary else entry.censored or None,
            )
            for entry in entries
        ),
        entries=tuple(entries),
        censored=frozenset(place for place, entry in enumerate(entries) if entry.censored),
    )


def command(entry: Entry) -> str | None:
    """The command line that repeats a run; None without its settings."""
    if not entry.run.settings:
        return None
    environment = entry.run.environment
    options = (
        ["--device", environment["device"], "--threads", str(environment["threads"])] if environment else []
    )
    return shlex.join(["seqlab", "train", str(entry.run.folder.config_path), *options])


def _value(value: Any) -> str | None:
    return None if value is None else format_setting(value)


def _range(numbers: Iterable[int]) -> str:
    """Runs in words.

    >>> _range([1, 2, 3, 7])
    'runs 1-3, 7'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return f"run{'s' if len(shown) > 1 or '-' in shown[0] else ''} {', '.join(shown)}"
