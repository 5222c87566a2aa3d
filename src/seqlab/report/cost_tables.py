"""Tables of the runs' cost, their environment and their folders, and the command that repeats a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from seqlab.report.chapters import Entry
from seqlab.report.property_table import property_groups, property_table
from seqlab.report.tables import RUN_COLUMNS, CellValue, ReportColumn, ReportTable, run_cells, run_cost
from seqlab.schema.settings import flat, format_setting

_COST_COLUMNS = {
    "steps": ReportColumn("steps"),
    "epochs": ReportColumn("epochs"),
    "tokens": ReportColumn("tokens seen"),
    "training_seconds": ReportColumn("training", "s"),
    "evaluation_seconds": ReportColumn("evaluation", "s"),
    "tokens_per_second": ReportColumn("speed", "tokens/s"),
    "peak_memory_mib": ReportColumn("peak memory", "MiB"),
    "threads": ReportColumn("threads"),
    "device": ReportColumn("device"),
    "processor": ReportColumn("processor"),
}
_MEMBERS_FIRST = " The members of an ensemble must be repeated there before."


def cost_table(entries: Sequence[Entry]) -> ReportTable:
    """The cost of each run."""
    costs = [(entry, run_cost(entry)) for entry in entries]
    # The training of an ensemble is that of its members.
    total = sum(cost["training_seconds"] or 0.0 for entry, cost in costs if not entry.ensemble)
    total += sum(cost["evaluation_seconds"] or 0.0 for _, cost in costs)
    return ReportTable(
        name="cost",
        caption=f"Cost of the runs, {total:,.0f} s in total. Evaluation: the final one. Peak memory: of the "
        f"whole process, which may have trained other runs before.{_of_ensembles(entries)}",
        columns=(*RUN_COLUMNS, *_COST_COLUMNS.values()),
        rows=tuple((*run_cells(entry), *(cost[key] for key in _COST_COLUMNS)) for entry, cost in costs),
        entries=tuple(entries),
    )


def _of_ensembles(entries: Sequence[Entry]) -> str:
    if not any(entry.ensemble for entry in entries):
        return ""
    return " Training of an ensemble: the sum of its members' seconds, which the total does not count again."


def environment_table(entries: Sequence[Entry]) -> ReportTable | None:
    """Versions, processor and threads; None where none are known."""
    groups = property_groups(
        [(entry, _environment_properties(entry)) for entry in entries if entry.run.environment]
    )
    if not groups:
        return None
    caution = " Do not compare the seconds of different columns." if len(groups) > 1 else ""
    caption = (
        "Environment of the runs. Results are bit-identical only where all of these properties are equal."
        f"{caution}"
    )
    return property_table("environment", caption, groups, always_runs=True)


def _environment_properties(entry: Entry) -> dict[str, CellValue]:
    properties = flat(entry.run.environment or {})
    return {
        key.removeprefix("versions."): None if value is None else format_setting(value)
        for key, value in properties.items()
    }


def folders_table(entries: Sequence[Entry]) -> ReportTable:
    """The folder of each run, its state, and why it ended."""
    return ReportTable(
        name="runs",
        caption="Run folders. The command in the results table repeats a run, bit-identical in the same "
        "environment. It needs the folder's settings, which are printed below. Set `SEQLAB_RUNS` to "
        "another folder first: where the finished run is, the command only prints its result."
        f"{_MEMBERS_FIRST if any(entry.ensemble for entry in entries) else ''}",
        columns=(*RUN_COLUMNS, ReportColumn("folder"), ReportColumn("state"), ReportColumn("ended because")),
        rows=tuple(
            (
                *run_cells(entry),
                entry.run.folder.path.name,
                entry.run.status,
                entry.run.summary["stopped"] if entry.run.summary else entry.censored or None,
            )
            for entry in entries
        ),
        entries=tuple(entries),
        censored=frozenset(index for index, entry in enumerate(entries) if entry.censored),
    )


def command(entry: Entry) -> str | None:
    """The command line that repeats a run; None where its settings are unknown."""
    if not entry.run.settings:
        return None
    words = ["seqlab", "train", str(entry.run.folder.config_path)]
    if environment := entry.run.environment:
        words += ["--device", environment["device"], "--threads", str(environment["threads"])]
    return shlex.join(words)
