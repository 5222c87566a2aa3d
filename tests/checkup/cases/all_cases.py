"""The corpus: all modules and pipelines, broken and healthy."""

from __future__ import annotations

from cases import (
    gradients,
    healthy_attention,
    healthy_convolution,
    healthy_encoders,
    healthy_recurrent,
    held_out_broken,
    held_out_healthy,
    held_out_pipelines,
    inputs,
    look_ahead,
    losses,
    meanings,
    modes,
    outputs,
    padding,
    pipelines,
    rows_mixed,
    state_sizes,
    steps,
    unused,
    weights_and_sizes,
)
from cases.case import Case, PipelineCase

BROKEN: list[Case] = [
    *(case for file in (rows_mixed, look_ahead, padding, steps, inputs) for case in file.CASES),
    *(case for file in (state_sizes, outputs, losses, meanings, unused) for case in file.CASES),
    *(case for file in (gradients, modes, weights_and_sizes, held_out_broken) for case in file.CASES),
]
HEALTHY: list[Case] = [
    *(case for file in (healthy_recurrent, healthy_convolution) for case in file.CASES),
    *(case for file in (healthy_attention, healthy_encoders, held_out_healthy) for case in file.CASES),
]
BROKEN_PIPELINES: list[PipelineCase] = [*pipelines.CASES, *held_out_pipelines.CASES]
HEALTHY_PIPELINES: list[PipelineCase] = [*pipelines.HEALTHY_CASES, *held_out_pipelines.HEALTHY_CASES]
HELD_OUT = frozenset(
    case.name
    for case in [
        *held_out_broken.CASES,
        *held_out_healthy.CASES,
        *held_out_pipelines.CASES,
        *held_out_pipelines.HEALTHY_CASES,
    ]
)
"""Names of the cases that were written after the probes."""
