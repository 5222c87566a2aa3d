"""Cells of a study made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqlab.comparison.study_cells import StudyCell, TrialRun
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_records import Trial


def cell(
    architecture: str,
    setting: Mapping[str, Any],
    value: float | None,
    *,
    seed: int = 1,
    folder: RunFolder | None = None,
    epochs: int | None = None,
) -> StudyCell:
    trial = Trial(
        number=1,
        architecture=architecture,
        setting=setting,
        seed=seed,
        epochs=() if epochs is None else (epochs,),
        run="" if folder is None else folder.path.name,
        config={},
        baseline=False,
    )
    return StudyCell(
        run=TrialRun(trial, folder, None),
        setting=setting,
        epochs=epochs,
        value=value,
        censored="" if value is not None else "failed: nan",
    )
