"""The members of the ensembles of a chapter, with their figures beside those of the ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.run_data import RunData, read_run
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, metric_column
from seqlab.runs.ensemble_record import fitted_shares, open_member
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

_TEST = "test_"
"""Before the name of a metric on the test split."""


@dataclass(frozen=True)
class _Row:
    """An ensemble or one of its members. run: None where it is missing. weight: its share of the mean."""

    entry: Entry
    name: str
    weight: float
    run: RunData | None

    @property
    def cells(self) -> tuple[CellValue, ...]:
        """What it is, and what it costs."""
        summary = None if self.run is None else self.run.summary
        cost = (summary["parameters"], summary["cost"]["training_seconds"]) if summary else (None, None)
        return self.entry.number, self.name, self.weight, *cost

    def metrics(self) -> Mapping[str, float]:
        """Metrics on the validation split, and on test where it was scored there."""
        if self.run is None:
            return {}
        valid = self.run.summary["metrics"] if self.run.summary else {}
        test = self.run.cards["test"]["metrics"] if "test" in self.run.cards else {}
        return {**valid, **{f"{_TEST}{name}": value for name, value in test.items()}}


def members_table(chapter: Chapter) -> ReportTable | None:
    """A row for each ensemble and each of its members; None where there is no ensemble."""
    rows = [row for entry in chapter.entries if entry.ensemble for row in _rows(entry)]
    if not rows:
        return None
    measured = [metric for metric in _metrics(chapter) if any(metric in row.metrics() for row in rows)]
    units = {name: unit for run in chapter.runs for name, unit in run.units("valid").items()}
    return ReportTable(
        name=f"members {chapter.title}",
        caption="Ensembles and their members. Weight: the share of a member in the mean. Parameters and "
        "training of an ensemble are the sums of its members'. Metrics are on the validation split, and on "
        "test where it was scored there; all on the same texts.",
        columns=(
            *(ReportColumn("ensemble"), ReportColumn("member"), ReportColumn("weight")),
            *(ReportColumn("parameters"), ReportColumn("training", "s")),
            *(metric_column(metric, units.get(metric.removeprefix(_TEST), "")) for metric in measured),
        ),
        rows=tuple((*row.cells, *(row.metrics().get(metric) for metric in measured)) for row in rows),
        best=frozenset(index for index, row in enumerate(rows) if row.run is row.entry.run),
    )


def _metrics(chapter: Chapter) -> Sequence[str]:
    """The metrics of the chapter's results, each followed by the same on test."""
    names = dict.fromkeys(name for entry in chapter.entries for name in entry.results)
    ordered = sorted(names, key=lambda name: name != chapter.monitor.name)
    return [metric for name in ordered for metric in (name, f"{_TEST}{name}")]


def _rows(entry: Entry) -> Iterator[_Row]:
    yield _Row(entry, f"all: {entry.label}", 1.0, entry.run)
    settings = entry.run.settings["ensemble"]
    weights = _shares(entry.run.folder) or settings.get("weights") or [1.0] * len(settings["members"])
    for name, weight in zip(settings["members"], weights, strict=True):
        share = weight / sum(weights)
        try:
            member = read_run(open_member(name, entry.run.folder.path.parent))
        except UserError:
            yield _Row(entry, f"{name} (missing)", share, None)
        else:
            yield _Row(entry, member.folder.path.name, share, member)


def _shares(run: RunFolder) -> Sequence[float] | None:
    """The fitted weights of the members; None where the settings decide, or the ensemble is damaged."""
    try:
        return fitted_shares(run)
    except UserError:
        return None
