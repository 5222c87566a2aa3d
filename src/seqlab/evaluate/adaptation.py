"""The settings with which a language model adapts to the text that it is scored on; free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, model_validator

from seqlab.runs.cards import AdaptationEntry, AdaptationKind
from seqlab.schema.config import Config, Table, parse, plain
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override
from seqlab.schema.settings import flat, format_setting

EPSILON = 0.001


class DynamicConfig(Config):
    """Dynamic evaluation: after each window was scored, a step of gradient descent on its mean loss.

    Krause et al. 2018, "Dynamic evaluation of neural sequence models". With the trained weights w0, gradient
    g, learning rate r and decay d, rule "sgd" is

        w <- w - r g + d (w0 - w)

    and rule "rms" scales both terms by the root mean square m of each weight's gradients on the training
    split, whose mean over all weights is M:

        w <- w - r g / (m + epsilon) + min(1, d m / M) (w0 - w)

    Dropout is off. m is over batches of 100 windows, from 100 streams of the training split, until they have
    200,000 tokens.
    """

    rule: Literal["rms", "sgd"] = "rms"
    """How weights move."""
    learning_rate: float = Field(default=0.003, gt=0.0)
    """Step size, r."""
    decay: float = Field(default=0.02, ge=0.0, le=1.0)
    """Share of the way back to the trained weights in each step, d; 0 never returns."""
    window: int = Field(default=20, ge=1)
    """Tokens that are scored before a step is taken on them. A model that carries no state reads windows that
    overlap, of which at most half is scored at a time."""
    epsilon: float | None = Field(default=None, gt=0.0)
    """Added to m; none: 0.001. For the rule rms alone."""

    @model_validator(mode="after")
    def _epsilon_acts(self) -> DynamicConfig:
        if self.rule == "sgd" and self.epsilon is not None:
            raise ValueError(f"'epsilon' must be none for the rule 'sgd'. Got {self.epsilon}.")
        return self


class CacheConfig(Config):
    """A neural cache: words that followed similar features are likely again.

    Grave et al. 2017, "Improving neural language models with a continuous cache". With the features h_t from
    which token x_(t+1) is predicted, and the last `size` of them before,

        p_cache(w) ~ sum_i [x_(i+1) = w] exp(theta h_t . h_i)
        p(w) = (1 - lambda) p_model(w) + lambda p_cache(w)

    The first token, before which there is nothing, is predicted by the model alone.
    """

    size: int = Field(default=500, ge=1)
    """Positions that are remembered."""
    theta: float = Field(default=0.3, ge=0.0)
    """Flatness: 0 weighs all remembered positions alike, whatever was read there."""
    weight: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the cache in the mixture, lambda."""


class AdaptationConfig(Config):
    """How a language model adapts to a text while it is scored: each token is scored before it is used."""

    dynamic: DynamicConfig | None = None
    """Steps of gradient descent; none: the weights stay as they are."""
    cache: CacheConfig | None = None
    """Words are remembered; none: they are not."""

    @property
    def kind(self) -> AdaptationKind:
        """What of both is used."""
        if self.cache is None:
            return "dynamic"
        return "cache" if self.dynamic is None else "dynamic+cache"


@dataclass(frozen=True)
class Adaptation:
    """How a run is adapted, and how that was chosen.

    tried: settings that were compared on the validation split to choose these; 0 where they were given.
    """

    config: AdaptationConfig
    tried: int = 0

    @property
    def entry(self) -> AdaptationEntry:
        """What a card says of it."""
        return {"kind": self.config.kind, "settings": flat(plain(self.config)), "tried": self.tried}


def adaptation_config(
    settings: Sequence[str] = (), *, dynamic: bool = False, cache: bool = False, tune: bool = False
) -> AdaptationConfig | None:
    """The settings of an adaptation from `key=value` words; None where nothing is adapted.

    Args:
        settings: such as "dynamic.learning_rate=0.001"; a setting switches on what it belongs to.
        dynamic: whether to use dynamic evaluation.
        cache: whether to use a neural cache.
        tune: whether the settings are to be searched for.

    Raises:
        UserError: a key or value is wrong, or there is nothing to search for.
    """
    table: Table = {}
    for setting in settings:
        table, _ = override(AdaptationConfig, table, setting)
    return adaptation_of({"dynamic": dynamic, "cache": cache} | table, tune=tune)


def adaptation_of(
    parts: Mapping[str, bool | Mapping[str, Any]], *, tune: bool = False
) -> AdaptationConfig | None:
    """The same from the settings of each part, or whether it is used with the default ones."""
    table = {key: {} if part is True else part for key, part in parts.items() if part is not False}
    if tune and not table:
        raise UserError("'tune' must be used with 'dynamic' or 'cache', whose settings it searches for.")
    return parse(AdaptationConfig, table) if table else None


def adaptation_line(entry: AdaptationEntry) -> str:
    """The settings of an adaptation on one line, as they can be typed.

    >>> adaptation_line({"kind": "cache", "settings": {"cache.size": 500, "cache.theta": 0.25}, "tried": 24})
    'adapted with cache.size=500 cache.theta=0.25, chosen on validation from 24 settings'
    """
    chosen = f", chosen on validation from {entry['tried']} settings" if entry["tried"] else ""
    words = " ".join(f"{key}={format_setting(value)}" for key, value in entry["settings"].items())
    return f"adapted with {words}{chosen}"


def no_adaptation(what: str, nearest: str) -> UserError:
    """The error of what cannot be adapted."""
    return UserError(
        f"Dynamic evaluation and a cache must be of a network that models running text. Got {what}. "
        f"Nearest: {nearest}."
    )
