"""Results of a study's cells are computed once, although both the command line and the report show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Any, TypeVar

from seqlab.comparison.study import Study

T = TypeVar("T")
_STUDIES = 16
"""Studies whose results are remembered; a report has one for each of its chapters."""


@dataclass(frozen=True)
class _Cells:
    """Equal for studies with equal cells: finished runs never change, so their results are equal, too."""

    key: Any
    study: Study = field(compare=False)


def once_per_cells(function: Callable[[Study], T]) -> Callable[[Study], T]:
    """Let a function of a study remember its results."""

    @lru_cache(maxsize=_STUDIES)
    def remembered(cells: _Cells) -> T:
        return function(cells.study)

    @wraps(function)
    def wrapper(study: Study) -> T:
        return remembered(_Cells(_key(study), study))

    return wrapper


def _key(study: Study) -> Any:
    """Everything that results depend on; text where it cannot be hashed."""
    cells = [
        (
            None if cell.run.folder is None else cell.run.folder.path.resolve(),
            cell.architecture,
            str(cell.setting),
            cell.seed,
            cell.baseline,
            cell.epochs,
            cell.value,
            cell.censored,
        )
        for cell in study.cells
    ]
    return study.monitor, str(study.about), tuple(cells)
