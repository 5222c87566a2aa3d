"""The shapes of a run folder's other JSON files: its data, and the results of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs.journal import JournalMark
from seqlab.schema.json_shapes import EXACT, Amount, Count, Positive, SettingKey, Sha256
from seqlab.schema.metric_spec import Better, MetricSpec


@with_config(EXACT)
class RunIdentity(TypedDict):
    """What makes a folder a run folder; the fingerprint is that of `run_folder.fingerprint`.

    config: the check of the file of the settings.
    """

    format: int
    name: str
    fingerprint: Sha256
    config: str


@with_config(EXACT)
class SplitSize(TypedDict):
    """How large a split is."""

    sequences: Count
    tokens: Count


@with_config(EXACT)
class LimitEntry(TypedDict):
    """How texts are cut: to their first or last `max_length` tokens; None cuts nothing."""

    max_length: Positive | None
    keep: Literal["first", "last"]


@with_config(EXACT)
class InputSizes(TypedDict):
    """What a model knows of the data: see `InputSpec`, without the numbers of tokens."""

    vocabulary: Positive
    outputs: Positive
    source_vocabulary: Positive | None
    max_length: Positive | None
    padding: NotRequired[Count | None]
    output: NotRequired[Literal["class", "number", "text", "translation"] | None]


@with_config(EXACT)
class DataSummary(TypedDict):
    """What a run keeps of its data: enough to use the model without the data.

    content_hash: SHA-256 of the content. labels: names of the classes, none of other tasks. limit: how texts
    are cut. spec: what the model knows of the data. tokenizer: its kind and state.
    """

    name: str
    content_hash: str
    labels: Sequence[str]
    limit: LimitEntry
    spec: InputSizes
    splits: dict[str, SplitSize]
    description: str
    origin: str
    licence: str
    notes: Sequence[str]
    tokenizer: dict[str, Any]


@with_config(EXACT)
class CodeEntry(TypedDict):
    """Code of the user's own. code: `FILE.py:NAME`, without the folder. sha256: of its content."""

    code: str
    sha256: Sha256


@with_config(EXACT)
class CodeRecord(TypedDict):
    """The code that a run executes.

    settings: SHA-256 of everything else that decides the run's numbers. entries: by the key of the setting
    that names the code. notes: what was found out about it.
    """

    settings: Sha256
    entries: dict[SettingKey, CodeEntry]
    notes: Sequence[str]


@with_config(EXACT)
class StartRecord(TypedDict):
    """The run whose weights another one starts from.

    run: its folder. fingerprint: of it. step: of the checkpoint. sha256: of the checkpoint's weights.
    weights: SHA-256 of those of them that are copied.
    """

    run: str
    fingerprint: Sha256
    step: Count
    sha256: Sha256
    weights: Sha256


@with_config(EXACT)
class RunCost(TypedDict):
    """Time and memory of a run, and the machine. Memory is the peak of the whole process."""

    training_seconds: Amount
    evaluation_seconds: Amount
    tokens_per_second: Amount
    peak_memory_mib: Amount
    threads: Positive
    processor: str
    device: str


@with_config(EXACT)
class MonitorEntry(TypedDict):
    """A `MetricSpec`."""

    name: str
    unit: str
    better: Better


@with_config(EXACT)
class RunSummary(TypedDict):
    """Results of a finished run.

    run: its folder. stopped: why training ended. metrics: of the best checkpoint on the validation split.
    monitor: the metric that picked this checkpoint. tokens: seen in training.
    """

    run: str
    stopped: str
    metrics: dict[str, float]
    monitor: MonitorEntry
    best_step: Count
    steps: Count
    epochs: Amount
    tokens: Count
    parameters: Count
    cost: RunCost


@with_config(EXACT)
class FinishedRun(RunSummary):
    """What a finished run keeps: its results, and what its journals were at the end."""

    journals: dict[str, JournalMark]


def monitor_entry(monitor: MetricSpec) -> MonitorEntry:
    """A metric as a summary holds it; `MetricSpec(**entry)` is the inverse."""
    return {"name": monitor.name, "unit": monitor.unit, "better": monitor.better}
