"""The runs that there are: one row each, sorted and filtered; from small files, without torch."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from seqlab.experiment.experiment_config import experiment_class
from seqlab.experiment.run_names import architecture, changed_of
from seqlab.runs import run_folder
from seqlab.runs.run_shapes import RunSummary
from seqlab.schema.described import DescribedSetting, described
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.nearest_key import nearest_keys
from seqlab.schema.settings import flat, format_setting

State = Literal["finished", "running", "stopped", "damaged"]


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run in a list.

    date: when it began. task, architecture: kinds of its configuration. seed: None of a baseline. changed:
    settings that are not those of its recipe. metrics: of the best checkpoint on the validation split.
    metric: the name of the one that picked it. higher: whether a higher value of that is better. seconds: of
    training. settings: all of them, by full key. problem: why it is damaged.
    """

    name: str
    state: State
    date: datetime | None = None
    task: str = ""
    architecture: str = ""
    seed: int | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)
    metric: str = ""
    higher: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def value(self) -> float | None:
        """The value of `metric`."""
        return self.metrics.get(self.metric)

    def __getitem__(self, key: str) -> Any:
        """The value of a column, of a metric or of a setting; None where the run has none."""
        match key:
            case "changed":
                return " ".join(f"{name}={format_setting(value)}" for name, value in self.changed.items())
            case "metric":
                return self.value
            case _ if key in COLUMNS:
                return getattr(self, key)
            case _:
                return self.metrics[key] if key in self.metrics else self.settings.get(key)

    def as_table(self) -> dict[str, Any]:
        """The row as plain values."""
        values = {key: self[key] for key in COLUMNS}
        return {
            **values,
            "date": None if self.date is None else self.date.isoformat(timespec="seconds"),
            "changed": dict(self.changed),
            "metric": self.metric or None,
            "metrics": dict(self.metrics),
            "problem": self.problem or None,
        }


COLUMNS = ("date", "name", "state", "task", "architecture", "seed", "metric", "seconds", "changed")
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d)?)?)?)?)?")
_CONDITION = re.compile(r"\s*([^<>=!\s]+)\s*(<=|>=|<|>|=)\s*(.*?)\s*")


def list_runs(*, sort: str = "date", where: Sequence[str] = (), task: str | None = None) -> list[RunRow]:
    """Every run under the folder of runs, the newest first.

    Args:
        sort: a column, a metric or a setting: by date the newest first, by `metric` the best first, else in
            rising order; runs without a value last.
        where: conditions that all hold, such as `model.cell=gru` or `metric<0.4`: a column, a metric or a
            setting, one of = < <= > >=, and a value.
        task: kind of the task.

    Raises:
        UserError: the folder cannot be read, or a condition or a column is wrong.
    """
    rows = [_row(name) for name in run_folder.names()]
    conditions = [*where, *([] if task is None else [f"task={task}"])]
    tests = [_test(condition, rows) for condition in conditions]
    if task is not None and rows and all(row.task != task for row in rows):
        raise unknown("run of task", task, {row.task for row in rows if row.task})
    return _sorted([row for row in rows if all(test(row) for test in tests)], sort, rows)


def _row(name: str) -> RunRow:
    """A run's row; a damaged run must not hide the others."""
    date = None
    try:
        run = run_folder.open_run(run_folder.root() / name)
        date = datetime.fromtimestamp(run.began)
        settings = run.settings()
        known = _described(settings)
        row = RunRow(
            name=name,
            state="finished" if run.finished else "running" if run.running else "stopped",
            date=date,
            task=str(settings.get("task", {}).get("kind", "")),
            architecture=architecture(settings),
            seed=settings.get("seed"),
            changed=changed_of(str(settings.get("name", "")), known),
            settings={setting.key: setting.value for setting in known} or flat(settings),
        )
        return row if not run.finished else _with_results(row, run.summary())
    except UserError as error:
        return RunRow(name=name, state="damaged", date=date, problem=str(error))


def _described(settings: Mapping[str, Any]) -> list[DescribedSetting]:
    # An older run may be of a kind that no longer exists, and is still sound.
    with suppress(UserError):
        return list(described(experiment_class(settings), settings))
    return []


def _with_results(row: RunRow, summary: RunSummary) -> RunRow:
    monitor = summary["monitor"]
    return replace(
        row,
        metric=monitor["name"],
        higher=monitor["better"] == "higher",
        metrics=summary["metrics"],
        seconds=summary["cost"]["training_seconds"],
    )


def _test(condition: str, rows: Sequence[RunRow]) -> Callable[[RunRow], bool]:
    """Whether a row meets a condition."""
    parts = _CONDITION.fullmatch(condition)
    if parts is None:
        raise UserError(
            f"A condition must be a column or setting, one of {' '.join(_COMPARED)}, and a value. "
            f"Got {condition!r}. Nearest: 'model.cell=gru', 'metric<0.4'."
        )
    key, sign, wanted = parts.groups()
    _check_key(key, rows)
    if sign == "=" and wanted.startswith("="):
        nearest = f"{key}={wanted.lstrip('=').lstrip()}"
        raise UserError(f"Equality must be written with one '='. Got {condition!r}. Nearest: {nearest!r}.")
    if key == "date" and _DATE.fullmatch(wanted) is None:
        raise UserError(f"A date must be written 2026-11-30 14:05, or its beginning. Got {wanted!r}.")
    if sign != "=" and key != "date" and _number(wanted) is None:
        raise UserError(f"{key!r} must be compared with a number by {sign!r}. Got {wanted!r}.")
    if key == "name":
        # Of the folder, or of the settings, which is its beginning.
        return lambda row: any(_holds(name, sign, wanted) for name in (row.name, row.settings.get("name")))
    return lambda row: _holds(row[key], sign, wanted)


def _check_key(key: str, rows: Sequence[RunRow]) -> None:
    known = {key for row in rows for key in (*row.settings, *row.metrics)} | set(COLUMNS)
    if key not in known and rows:
        hints = nearest_keys(key, sorted(known))
        nearest = f" Nearest: {' or '.join(map(repr, hints))}." if hints else ""
        raise UserError(
            f"No run has a column, metric or setting {key!r}.{nearest} Columns: {', '.join(COLUMNS)}."
        )


def _holds(value: Any, sign: str, wanted: str) -> bool:
    if isinstance(value, datetime):
        # As much of the date as was written: 2026-11 is a whole month.
        begun = value.isoformat()[: len(wanted)]
        return _COMPARED[sign](begun, wanted.replace(" ", "T"))
    if sign == "=" and format_setting(value) == (wanted.lower() if isinstance(value, bool) else wanted):
        return True
    number = _number(wanted)
    if number is None or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return _COMPARED[sign](value, number)


def _number(text: str) -> float | None:
    with suppress(ValueError):
        return None if math.isnan(number := float(text)) else number
    return None


def _sorted(rows: list[RunRow], sort: str, every: Sequence[RunRow]) -> list[RunRow]:
    _check_key(sort, every)
    newest = sorted(rows, key=lambda row: (row.date or datetime.min, row.name), reverse=True)
    if sort == "date":
        return newest
    return sorted(newest, key=lambda row: _rank(row, sort))


def _rank(row: RunRow, sort: str) -> tuple[Any, ...]:
    """What a row is sorted by: missing values last, numbers before texts."""
    value = row[sort]
    if value is None or value == "":
        return (2,)
    if sort == "metric":
        # Values of different metrics are not compared.
        return (0, row.metric, -value if row.higher else value)
    return (0, value) if isinstance(value, int | float) else (1, format_setting(value))
