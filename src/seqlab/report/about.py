"""Tables of what was run: on which data, with which settings, on what machine, at what cost."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from seqlab.report.comparing import Chapter, Entry
from seqlab.report.naming import flat, setting
from seqlab.report.tables import RUN, Cell, Column, Table, named, spent


def data(chapter: Chapter) -> Table | None:
    """Origin, terms and sizes of what was learned from; None where no run's could be read."""
    known = [run for run in chapter.runs if run.data]
    if not known:
        return None
    about, cards = known[0].data, [run.cards["valid"] for run in known if "valid" in run.cards]
    labels, tokenizer = about.get("labels") or [], about.get("tokenizer", {})
    rows: list[tuple[Cell, ...]] = [
        ("dataset", about["name"]),
        ("what it is", about.get("description")),
        ("origin", about.get("origin")),
        ("licence", about.get("licence")),
        *((f"{split} split", _sizes(sizes)) for split, sizes in about["splits"].items()),
        ("labels", ", ".join(labels) or None),
        ("tokenizer", tokenizer.get("kind")),
        ("vocabulary", cards[0].get("vocabulary") if cards else None),
        ("validation texts that stand in training", cards[0].get("equal_to_training") if cards else None),
        ("SHA-256 of the content", about["content_hash"]),
    ]
    return Table(
        name=f"data {chapter.title}",
        caption=f"What was learned from: {chapter.title}.",
        columns=(Column("property"), Column("value")),
        rows=tuple(row for row in rows if row[1] is not None),
    )


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sizes.items())


def settings(chapter: Chapter) -> list[Table]:
    """Settings that differ between runs, one row a run; then those that all share."""
    known = [(entry, flat(entry.run.settings)) for entry in chapter.entries if entry.run.settings]
    keys = list(dict.fromkeys(key for _, table in known for key in table))
    differing = [key for key in keys if len({setting(table.get(key)) for _, table in known}) > 1]
    found = []
    if differing:
        found.append(
            Table(
                name=f"differing settings {chapter.title}",
                caption="Settings that differ between runs. A dash: the run's kind has no such setting, "
                "or it is none.",
                columns=(*RUN, *(Column(key, code=True) for key in differing if key != "seed")),
                rows=tuple(
                    (*named(entry), *(_value(table.get(key)) for key in differing if key != "seed"))
                    for entry, table in known
                ),
                entries=tuple(entry for entry, _ in known),
            )
        )
    if known:
        shared = [(key, _value(known[0][1][key])) for key in keys if key not in differing]
        found.append(
            Table(
                name=f"shared settings {chapter.title}",
                caption="Settings that all runs share." if len(known) > 1 else "All settings of the run.",
                columns=(Column("setting", code=True), Column("value")),
                rows=tuple(shared),
            )
        )
    return found


def cost(entries: Sequence[Entry]) -> Table:
    """What each run took."""
    found = [(entry, spent(entry)) for entry in entries]
    total = sum(table["training_seconds"] or 0.0 for _, table in found)
    total += sum(table["evaluation_seconds"] or 0.0 for _, table in found)
    keys = ("steps", "epochs", "tokens", "training_seconds", "evaluation_seconds")
    keys = (*keys, "tokens_per_second", "peak_memory_mib", "threads", "device", "processor")
    return Table(
        name="cost",
        caption=f"What the runs cost: {total:,.0f} s together. Evaluation is the one at the end. Peak memory "
        "is that of the whole process, which may have held other runs before.",
        columns=(
            *RUN,
            Column("steps"),
            Column("epochs"),
            Column("tokens seen"),
            Column("training", "s"),
            Column("evaluation", "s"),
            Column("speed", "tokens/s"),
            Column("peak memory", "MiB"),
            Column("threads"),
            Column("device"),
            Column("processor"),
        ),
        rows=tuple((*named(entry), *(table[key] for key in keys)) for entry, table in found),
        entries=tuple(entries),
    )


def environment(entries: Sequence[Entry]) -> Table | None:
    """Versions, processor and threads, one column for runs that share them; None where none is known."""
    places: list[tuple[dict[str, Any], list[int]]] = []
    for entry in entries:
        place = flat(entry.run.environment)
        same = next((numbers for known, numbers in places if known == place), None)
        if same is not None:
            same.append(entry.number)
        elif place:
            places.append((place, [entry.number]))
    if not places:
        return None
    keys = dict.fromkeys(key for place, _ in places for key in place)
    return Table(
        name="environment",
        caption="On what the runs were made. Equal bits are promised where all of it is equal."
        + (" Seconds of different columns should not be compared." if len(places) > 1 else ""),
        columns=(Column("property"), *(Column(_range(numbers)) for _, numbers in places)),
        rows=tuple(
            (key.removeprefix("versions."), *(_value(place.get(key)) for place, _ in places)) for key in keys
        ),
    )


def repeat(entries: Sequence[Entry]) -> Table:
    """The folder of each run, and the command that repeats it."""
    return Table(
        name="runs",
        caption="Run folders, and the command that repeats each run to the bit in the same environment. "
        "It needs the folder's config.toml, given in full below. Set `SEQLAB_RUNS` to another folder first: "
        "where the finished run itself stands, the command only shows its result.",
        columns=(
            *RUN,
            Column("folder"),
            Column("state"),
            Column("ended because"),
            Column("command", code=True),
        ),
        rows=tuple(
            (
                *named(entry),
                entry.run.folder.path.name,
                entry.run.status,
                entry.run.summary.get("stopped"),
                command(entry),
            )
            for entry in entries
        ),
        entries=tuple(entries),
    )


def command(entry: Entry) -> str | None:
    """The command line that repeats a run; None without its settings."""
    if not entry.run.settings:
        return None
    place = entry.run.environment
    options = [
        word for key in ("device", "threads") if key in place for word in (f"--{key}", str(place[key]))
    ]
    return shlex.join(["seqlab", "train", str(entry.run.folder.path / "config.toml"), *options])


def _value(value: Any) -> str | None:
    return None if value is None else setting(value)


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
