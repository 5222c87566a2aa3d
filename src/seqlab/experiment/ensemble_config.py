"""The settings of an ensemble; free of torch."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field, model_validator

from seqlab.schema.config import Config


class EnsembleConfig(Config):
    """The weighted mean of what several runs predict: of their probabilities, or of their numbers.

    Language models are mixed token by token: p(w) = sum_m s_m p_m(w).
    """

    members: tuple[str, ...] = Field(min_length=2)
    """What is combined, at least two: finished runs by name, or recipes with their key=value settings, such
    as "imdb-gru seed=2", which are trained first. The runs of an ensemble that was made are all by name."""
    weights: tuple[Annotated[float, Field(gt=0.0)], ...] | None = None
    """A positive number for each member, divided by their sum; none: the same for all, but of language models
    those with the least loss on the validation split. To be chosen there, never on test."""

    @property
    def shares(self) -> tuple[float, ...]:
        """The weight of each member where none is fitted; they add up to 1."""
        weights = self.weights or (1.0,) * len(self.members)
        return tuple(weight / sum(weights) for weight in weights)

    @model_validator(mode="after")
    def _check(self) -> EnsembleConfig:
        twice = [member for member, count in Counter(self.members).items() if count > 1]
        if twice:
            raise ValueError(
                f"'members' must differ from each other. Got {twice[0]!r} twice. Nearest: 'weights', which "
                "say how much each counts."
            )
        if self.weights is not None and len(self.weights) != len(self.members):
            raise ValueError(
                f"'weights' must be as many as the members, {len(self.members)}. Got {len(self.weights)}."
            )
        return self
