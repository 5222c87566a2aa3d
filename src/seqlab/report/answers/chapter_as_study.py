"""Runs that belong to no study, compared by the rules of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.comparison.study_cells import StudyCell, TrialRun
from seqlab.report.chapters import Chapter, Entry
from seqlab.report.settings_tables import IDENTITY
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.runs.study_records import Trial
from seqlab.schema.settings import flat, format_setting


def chapter_as_study(chapter: Chapter) -> ChapterStudy:
    """The runs of a chapter as the cells of a study without a name.

    Architectures are compared, each at its best setting; where there is only one, its settings are. Runs
    whose settings are unknown are left out.
    """
    known = [entry for entry in chapter.entries if entry.run.settings]
    networks = [entry for entry in known if not entry.baseline]
    several = len({entry.architecture for entry in networks}) > 1
    cells: list[StudyCell] = []
    for name in dict.fromkeys((entry.baseline, entry.architecture) for entry in known):
        entries = [entry for entry in known if (entry.baseline, entry.architecture) == name]
        for entry, setting in zip(entries, _settings(entries), strict=True):
            compared = entry.architecture if several or entry.baseline else entry.label
            cells.append(_cell(chapter, entry, compared, setting if compared != entry.label else {}))
    return ChapterStudy(
        name="", about={}, monitor=chapter.monitor, cells=tuple(_distinct(cells)), chapter=chapter
    )


def _settings(entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """The settings in which runs of one architecture differ."""
    tables = [
        {key: value for key, value in flat(entry.run.settings).items() if key not in IDENTITY}
        for entry in entries
    ]
    keys = dict.fromkeys(key for table in tables for key in table)
    differing = [key for key in keys if len({format_setting(table.get(key)) for table in tables}) > 1]
    return [{key: table.get(key) for key in differing} for table in tables]


def _cell(chapter: Chapter, entry: Entry, architecture: str, setting: Mapping[str, Any]) -> StudyCell:
    trial = Trial(
        number=entry.number,
        architecture=architecture,
        setting=setting,
        seed=entry.seed or 0,
        epochs=(),
        run=entry.run.folder.path.name,
        config={},
        baseline=entry.baseline,
    )
    value = None if entry.censored else chapter.value(entry)
    reason = "" if value is not None else entry.censored or f"{chapter.monitor.name} was not scored"
    run = TrialRun(trial, entry.run.folder, None)
    return StudyCell(run=run, setting=setting, epochs=None, value=value, censored=reason)


def _distinct(cells: Sequence[StudyCell]) -> list[StudyCell]:
    """One cell for each setting and seed: runs repeated elsewhere, by another version, become settings."""
    seen = Counter((cell.group, cell.seed) for cell in cells)
    return [
        cell
        if seen[cell.group, cell.seed] == 1
        else StudyCell(
            run=cell.run,
            setting={**cell.setting, "run": cell.run.trial.number},
            epochs=None,
            value=cell.value,
            censored=cell.censored,
        )
        for cell in cells
    ]
