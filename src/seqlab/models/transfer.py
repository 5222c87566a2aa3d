"""What a model takes from a finished run in place of drawn weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LANGUAGE_MODEL = "recurrent-lm"
"""The kind of language model that classifiers can start from."""


@dataclass(frozen=True)
class Same:
    """A setting that must be the same in both models.

    own: its key in the model that takes. there: its key in the model of the run. without: the value of a
    model that does not have it.
    """

    own: str
    there: str
    without: Any = None

    @staticmethod
    def of(*keys: str) -> tuple[Same, ...]:
        """Settings that have the same keys in both."""
        return tuple(Same(key, key) for key in keys)


@dataclass(frozen=True)
class Taken:
    """What is taken from a model of one kind.

    weights: beginnings of the names of the weights, in the run's model and in the one that takes them.
    settings: those that the weights depend on. same_task: whether the run must be one of the same task and
    the same labels.
    """

    weights: Mapping[str, str]
    settings: tuple[Same, ...]
    same_task: bool = False

    def renamed(self, name: str) -> str | None:
        """The own name of one of the run's weights; None of one that is not taken."""
        return next(
            (own + name.removeprefix(there) for there, own in self.weights.items() if name.startswith(there)),
            None,
        )

    def replaces(self, name: str) -> bool:
        """Whether one of the own weights comes from the run."""
        return name.startswith(tuple(self.weights.values()))


EMBEDDING = Taken(
    {"embedding.": "embedding."},
    (Same("embedding_size", "embedding_size"), Same("embedding", "embedding", "learned")),
)
"""The vectors of a language model's tokens alone."""


def recurrent_layers(weights: str = "body.", settings: str = "") -> Taken:
    """The embedding of a language model and its recurrent layers.

    Args:
        weights: beginning of the names of the recurrent layers' weights in the model that takes them.
        settings: beginning of the keys of their settings there.
    """
    sizes = (Same(settings + key, key) for key in ("cell", "hidden_size", "layers"))
    directions = Same(f"{settings}bidirectional", "bidirectional", without=False)
    # Only a language model has them.
    others = ("sum_layers", "layer_norm", "residual", "learned_initial_state")
    without = (Same(key, key, without=False) for key in others)
    return Taken({**EMBEDDING.weights, "body.": weights}, (*EMBEDDING.settings, *sizes, directions, *without))


def everything(*settings: Same) -> Taken:
    """All weights of a model of the same kind and task, which depend on these settings."""
    return Taken({"": ""}, (*EMBEDDING.settings, *settings), same_task=True)


@dataclass(frozen=True)
class Transfer:
    """A run by its name or path, and what is taken from it, by the kind of its model."""

    run: str
    sources: Mapping[str, Taken]

    @staticmethod
    def of(run: str | None, sources: Mapping[str, Taken]) -> Transfer | None:
        """The value of a setting `init_from`, and what it means; None where there is no run."""
        return None if run is None else Transfer(run, sources)
