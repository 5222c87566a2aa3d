"""The corpus: all modules and pipelines, broken and healthy."""

from __future__ import annotations

from cases import (
    healthy_attention,
    healthy_recurrent,
    held_out,
    look_ahead,
    meanings,
    padding,
    pipelines,
    predictions,
    rows_mixed,
    states,
    training,
)
from cases.case import Case, PipelineCase

BROKEN: list[Case] = [
    case
    for file in (rows_mixed, look_ahead, padding, states, predictions, meanings, training)
    for case in file.CASES
] + held_out.BROKEN
HEALTHY: list[Case] = [*healthy_recurrent.CASES, *healthy_attention.CASES, *held_out.HEALTHY_CASES]
BROKEN_PIPELINES: list[PipelineCase] = [*pipelines.CASES, *held_out.BROKEN_PIPELINES]
HEALTHY_PIPELINES: list[PipelineCase] = [*pipelines.HEALTHY_CASES, *held_out.HEALTHY_PIPELINES]
