"""Registry of the probes, and the models to which each applies."""

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
            "a batch gives the same results as its sequences one by one",
        ),
        "padding_changes_nothing": (
            "seqlab.checkup.row_probes:padding_changes_nothing",
            "neither the content nor the amount of padding changes an output or a state",
        ),
        "no_look_ahead": (
            "seqlab.checkup.time_probes:no_look_ahead",
            "changing later tokens never changes earlier outputs (causal models)",
        ),
        "whole_equals_steps": (
            "seqlab.checkup.time_probes:whole_equals_steps",
            "a whole sequence gives the same results as step by step, from any state (causal models)",
        ),
        "gradients_reach_parameters": (
            "seqlab.checkup.learning_probes:gradients_reach_parameters",
            "every parameter has a finite gradient that is not all zero",
        ),
        "one_batch_overfitted": (
            "seqlab.checkup.learning_probes:one_batch_overfitted",
            "a few hundred training steps on one tiny batch memorise it",
        ),
    },
)

NEEDS: Mapping[str, Callable[[Capabilities], bool]] = {
    "batch_independence": lambda capabilities: capabilities.batch_independent,
    "padding_changes_nothing": lambda capabilities: capabilities.variable_length,
    "no_look_ahead": lambda capabilities: capabilities.causal,
    "whole_equals_steps": lambda capabilities: capabilities.causal,
    "gradients_reach_parameters": lambda capabilities: True,
    "one_batch_overfitted": lambda capabilities: True,
}
"""Whether a probe applies to a model with these capabilities."""
