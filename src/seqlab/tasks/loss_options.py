"""What changes the loss in training and never in evaluation; free of torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from seqlab.schema.errors import UserError


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Label smoothing and class weights, as `TrainingConfig` has them."""

    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"

    def require_none(self, *names: str, task: str) -> None:
        """Check that options which a task does not have are at their defaults.

        Raises:
            UserError: one is not.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name in names:
            if (value := getattr(self, name)) != defaults[name]:
                raise UserError(
                    f"'training.{name}' must be {defaults[name]!r} for task.kind={task!r}. Got {value!r}."
                )


NO_OPTIONS = LossOptions()
"""The plain loss."""
