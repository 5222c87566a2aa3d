"""Captions of learning curves."""

from __future__ import annotations

from dataclasses import replace

from seqlab.report.chapters import LEAST_RUNS
from seqlab.report.charts.curve_points import points_per_line
from seqlab.report.charts.recorded_number import SAMPLES, RecordedNumber
from seqlab.report.tables import capitalized, words


def caption_of_all(number: RecordedNumber) -> str:
    """The caption of a figure of all runs."""
    return _join(_opening(number), _lines(number), _thinning(number))


def caption_of_groups(number: RecordedNumber, field: str) -> str:
    """The caption of a figure with a panel for each architecture or optimizer."""
    name = capitalized(words(number.name))
    opening = (
        f"{name} by {field} on {number.chapter.title}, {number.unit}. All panels have the same vertical axis."
    )
    if not number.chapter.grouped:
        return _join(opening, _lines(number))
    thin = "Thin line: the median on training." if len(number.splits) > 1 else ""
    return _join(
        opening,
        f"Faint lines: validation of each run. Strong line: their median, of {LEAST_RUNS} runs or more.",
        thin,
    )


def caption_of_one(number: RecordedNumber) -> str:
    """The caption of a figure of the run that the reader chooses."""
    # Lines are drawn as in a chapter of few runs, so their description is that of one.
    first = replace(number.chapter, entries=number.chapter.entries[:1])
    return _join(_opening(number), "Only the run selected above.", _lines(replace(number, chapter=first)))


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _opening(number: RecordedNumber) -> str:
    unit = number.unit if number.unit != words(number.name) else ""
    return f"{capitalized(number.title)}{f', {unit}' if unit else ''}."


def _lines(number: RecordedNumber) -> str:
    """The meaning of the lines."""
    rules = f"Grey rule: {number.rules}." if number.rules else ""
    in_training = len(number.splits) > 1
    if number.chapter.grouped:
        return _join(*_lines_of_many(number, in_training=in_training), rules)
    if in_training:
        return _join(
            "Thin lines: training, each point the mean since the previous record. "
            "Lines with points: validation.",
            rules,
        )
    if number.scored_split == SAMPLES:
        return "Counted on samples drawn at each validation."
    return _join("Scored on the validation split during training.", rules) if number.scored_split else ""


def _lines_of_many(number: RecordedNumber, *, in_training: bool) -> list[str]:
    faint = {None: "training", SAMPLES: "samples"}.get(number.scored_split, "validation")
    group = "a model" if number.group_field == "label" else "an architecture"
    sentences = [
        f"Faint lines: {faint} of each run.",
        f"Strong lines: the median of {group} with {LEAST_RUNS} runs or more, as long as half of them "
        "continue.",
    ]
    if in_training:
        sentences.append("Thin lines: the median on training, each point the mean since the previous record.")
    return sentences


def _thinning(number: RecordedNumber) -> str:
    most = points_per_line(number.chapter, number.name, number.splits)
    if number.longest_record() <= most:
        return ""
    return f"Of longer records, {most} evenly spaced points are drawn."
