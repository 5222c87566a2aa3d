"""The room's visible table: probes by name, and the models each applies to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from seqlab.schema.registry import Registry

if TYPE_CHECKING:
    from seqlab.models.model import Capabilities

PROBES = Registry(
    "probe",
    {
        "batch_independence": (
            "seqlab.checkup.row_probes:batch_independence",
            "a batch equals its rows one by one",
        ),
        "padding_changes_nothing": (
            "seqlab.checkup.row_probes:padding_changes_nothing",
            "neither the content of padding nor more of it changes an output or a state",
        ),
        "no_look_ahead": (
            "seqlab.checkup.time_probes:no_look_ahead",
            "changing later tokens never changes earlier outputs (causal models)",
        ),
        "whole_equals_steps": (
            "seqlab.checkup.time_probes:whole_equals_steps",
            "a whole sequence equals it step by step, also from a state in its middle (causal models)",
        ),
        "gradients_reach_parameters": (
            "seqlab.checkup.learning_probes:gradients_reach_parameters",
            "every parameter gets a finite gradient that is not zero",
        ),
        "one_batch_overfitted": (
            "seqlab.checkup.learning_probes:one_batch_overfitted",
            "a few hundred steps on one tiny batch learn it by heart",
        ),
    },
)

NEEDS: Mapping[str, Callable[[Capabilities], bool]] = {
    "batch_independence": lambda promised: promised.batch_independent,
    "padding_changes_nothing": lambda promised: promised.variable_length,
    "no_look_ahead": lambda promised: promised.causal,
    "whole_equals_steps": lambda promised: promised.causal,
    "gradients_reach_parameters": lambda promised: True,
    "one_batch_overfitted": lambda promised: True,
}
"""What a model must have promised for a probe to apply."""
