"""A study in Python: its runs, their comparison, and what it allows to conclude."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from seqlab.api.frames import column
from seqlab.api.run_result import Run
from seqlab.runs import run_folder
from seqlab.runs.study_folder import StudyFolder

if TYPE_CHECKING:
    import altair as alt

    from seqlab.comparison.study import Group, Study


class StudyResult:
    """A study that was begun, with the runs that there were when it was loaded.

    Args:
        study: its folder.
        allow_incomparable: show numbers that cannot be ranked separately instead of refusing.
    """

    def __init__(self, study: StudyFolder, *, allow_incomparable: bool = False):
        self._folder, self._allow = study, allow_incomparable

    def __repr__(self) -> str:
        return f"study {self.name}: {len(self.runs)} runs"

    @property
    def name(self) -> str:
        """The study's name."""
        return self._folder.name

    @property
    def path(self) -> Path:
        """The study's folder."""
        return self._folder.path

    @cached_property
    def runs(self) -> list[Run]:
        """The runs, in the order of the trials; a run that covers several trials once.

        Raises:
            UserError: the study's folder is damaged.
        """
        from seqlab.comparison.study_cells import open_study

        folders = [run.folder for run in open_study(self._folder).runs if run.folder is not None]
        return [Run(folder) for folder in {folder.path: folder for folder in folders}.values()]

    @property
    def table(self) -> pl.DataFrame:
        """The comparison: a row for each setting of each architecture, its best first, then the baselines.

        Columns data (where the study has several datasets), architecture, a column for each axis, baseline,
        seeds, median, low and high (its 95 % interval), lowest, highest, unit. Numbers are those of the
        study's metric, on validation; null where a setting has none, as one seed has no interval.

        Raises:
            UserError: the numbers cannot be ranked; the message says why.
            WorkError: no run is finished.
        """
        rows = [
            {**({"data": part.part} if part.part else {}), **_row(group, part)}
            for part in self._parts
            for group in (*part.groups, *part.baselines)
        ]
        names = dict.fromkeys(name for row in rows for name in row)
        # What all settings share comes after the axes, of which a baseline has fewer.
        order = sorted(names, key=lambda name: name in _STATISTICS)
        return pl.DataFrame([column(name, [row.get(name) for row in rows]) for name in order])

    @property
    def values(self) -> pl.DataFrame:
        """The value of each run: columns data, architecture, the axes, seed, value, and why there is none."""
        rows = [
            {
                **({"data": part.part} if part.part else {}),
                "architecture": cell.architecture,
                **cell.setting,
                "run": cell.run.name,
                "seed": cell.seed,
                "value": cell.value,
                "why": cell.censored or None,
            }
            for part in self._parts
            for cell in part.cells
        ]
        names = dict.fromkeys(name for row in rows for name in row)
        order = sorted(names, key=lambda name: name in ("run", "seed", "value", "why"))
        return pl.DataFrame([column(name, [row.get(name) for row in rows]) for name in order])

    @property
    def conclusions(self) -> list[str]:
        """What the study allows to conclude, in sentences that say how sure they are; see `table`."""
        from seqlab.comparison.study_sentences import sentences

        return [
            f"{part.part}: {sentence}" if part.part else sentence
            for part in self._parts
            if part.refusal() is None
            for found in sentences(part).values()
            for sentence in found
        ]

    @property
    def test(self) -> pl.DataFrame:
        """The last evaluation on the test split: columns run, and the metrics; no row where there was none.

        Raises:
            UserError: a folder is damaged.
        """
        evaluations = self._folder.test_evaluations()
        scored = [run_folder.find(name) for name in (evaluations[-1].runs if evaluations else ())]
        cards = [(run.path.name, card) for run in scored if (card := run.card("test")) is not None]
        return pl.DataFrame([{"run": name, **card["metrics"]} for name, card in cards])

    def chart(self, *names: str, over: str = "step") -> alt.LayerChart | alt.VConcatChart:
        """Curves of recorded numbers of all runs, with medians over seeds; see `seqlab.chart`."""
        from seqlab.report.charts.inline_chart import run_charts

        allow = self._allow or len(self._parts) > 1
        return run_charts([run.folder for run in self.runs], names, over, allow_incomparable=allow)

    def report(self, output: str | Path | None = None) -> Path:
        """Write the report, one HTML page.

        Args:
            output: its path; None: report.html in the study's folder.

        Raises:
            UserError: the numbers cannot be ranked, or the path is not of the required kind.
            WorkError: no run is finished, or the disk is full.
        """
        from seqlab import report

        return report.write(
            [],
            self._folder.report if output is None else Path(output),
            title=f"Study {self.name}",
            studies=[self._folder],
            allow_incomparable=self._allow or len(self._parts) > 1,
        )

    @cached_property
    def _parts(self) -> list[Study]:
        """The comparison on each dataset."""
        from seqlab.comparison.study import read_ranked

        return read_ranked(self._folder, allow_incomparable=self._allow)


_STATISTICS = ("baseline", "seeds", "median", "low", "high", "lowest", "highest", "unit")


def _row(group: Group, study: Study) -> dict[str, Any]:
    summary = group.summary
    low, high = summary.interval_ends
    return {
        "architecture": group.architecture,
        **group.setting,
        "baseline": group.baseline,
        "seeds": summary.seeds,
        "median": summary.median,
        "low": low,
        "high": high,
        "lowest": summary.lowest,
        "highest": summary.highest,
        "unit": study.monitor.unit,
    }
