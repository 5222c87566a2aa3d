"""The shapes of evaluation cards: what a published number was measured on, and how.

These classes are the one list of the keys of a card: the writer fills all of them, and `RunFolder` refuses a
card that lacks one or has another one, so that a reader cannot ask for a key that no card has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs.environment import Environment
from seqlab.schema.json_shapes import EXACT, Count, Positive, Sha256

POSITION_LOSS = "loss_per_position"
"""Name of a curve: the mean loss of the targets at each position."""
POSITION_ERROR = "loss_per_position_standard_error"
"""Name of a curve: the standard error of each of these means."""
POSITION_TARGETS = "loss_per_position_targets"
"""Name of a curve: how many targets each of these means is of."""
POSITION_CURVES = (POSITION_LOSS, POSITION_ERROR, POSITION_TARGETS)
FEW_TARGETS = 30
"""Targets of a position below which its mean says little."""
TEACHER_FORCED, FREE_RUNNING = "teacher_forced_", "free_running_"
"""Beginnings of the names of `POSITION_CURVES` over the same windows, read as they are and in part written by
the model itself."""
SATURATION = "saturation"
"""Name of a matrix: the shares of the activations of a layer or gate at the ends of their range."""
ACCURACY_BY_LENGTH = "accuracy_by_length"
"""Name of a matrix: the accuracy of texts of similar length, its interval, texts, mean length."""
SURE = 0.99
"""Accuracy at which reports give the least probability of an answer; `abstention` curves have this point."""

AdaptationKind = Literal["dynamic", "cache", "dynamic+cache"]
NAMES_OF_ADAPTATIONS: Mapping[AdaptationKind, str] = {
    "dynamic": "dynamic evaluation",
    "cache": "a neural cache",
    "dynamic+cache": "dynamic evaluation and a neural cache",
}
"""How a model may adapt to the text that it is scored on, in words."""


@with_config(EXACT)
class AdaptationEntry(TypedDict):
    """How a model adapted to the text: what it used, with every setting.

    kind: a key of `NAMES_OF_ADAPTATIONS`. tried: settings that were compared on the validation split to
    choose these; 0 where they were given.
    """

    kind: AdaptationKind
    settings: Mapping[str, float | int | str]
    tried: Count


@with_config(EXACT)
class MatrixTable(TypedDict):
    """A matrix of numbers with the names of its rows and columns."""

    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]


@with_config(EXACT)
class CurveTable(TypedDict):
    """Numbers `y` over an axis `x`, with their units."""

    x: Sequence[float]
    y: Sequence[float]
    x_unit: str
    y_unit: str


@with_config(EXACT)
class Card(TypedDict):
    """The card of one split of one run.

    metrics: those that are one number. loss_unit: nats per `unit`, which is what one target is. signatures:
    of each metric, which variant was computed. split_sha256: of the encoded split; texts_sha256: of its texts
    before they were encoded. end_token_counts: whether the end of a text is among the targets.
    equal_to_training: sequences that also occur in the training split; None for running text.
    equal_to_others: the same for each other split. left_out: unlabelled texts that are not learned from
    because they occur in the split; only where the data has such texts. scored_as: what the model saw before
    a target. seed: None of a baseline. test_evaluations: how often the split has been scored, this time
    included; it stays 1 for the validation split, which may be scored freely. adaptation: how the model
    adapted to the text; only where it did.
    """

    metrics: dict[str, float]
    matrices: dict[str, MatrixTable]
    curves: dict[str, CurveTable]
    loss_unit: str
    unit: str
    signatures: dict[str, str]
    dataset: str
    split: str
    split_sha256: Sha256
    texts_sha256: str
    sequences: Count
    tokens: Count
    targets: Count
    end_token_counts: bool
    equal_to_training: Count | None
    equal_to_others: Mapping[str, Count]
    left_out: NotRequired[Count]
    scored_as: str
    adaptation: NotRequired[AdaptationEntry]
    vocabulary: Count
    tokenizer: str
    checkpoint_step: Count
    seed: int | None
    budget: Mapping[str, Any]
    test_evaluations: Positive
    run: str
    fingerprint: Sha256
    environment: Environment


@with_config(EXACT)
class WrongText(TypedDict):
    """A text that was labelled wrongly; `text` is None where no text of the data is to be shown."""

    index: int
    text: str | None
    label: str
    predicted: str
    probability: float


@with_config(EXACT)
class WrongTexts(TypedDict):
    """The texts of a split that a run's weights label wrongly, the most confident predictions first.

    wrong: their number, of `texts`. shown: the first of them; index: of a text in its split, from 0.
    """

    split: str
    checkpoint_step: int
    wrong: int
    texts: int
    shown: Sequence[WrongText]


@with_config(EXACT)
class Explanation(TypedDict):
    """Why a sample is not in the language: the token at `position` is not one of those `allowed` there."""

    text: str
    position: Count
    token: str
    allowed: Sequence[str]


@with_config(EXACT)
class OracleCard(TypedDict):
    """How a run's final weights compare with the true distribution of its data.

    metrics: losses in nats per token, and shares. longest_valid, first_wrong: samples; None where there is
    none. explained: some of the wrong samples.
    """

    metrics: dict[str, float]
    split: str
    longest_valid: str | None
    first_wrong: str | None
    explained: Sequence[Explanation]
    scored_as: str
    checkpoint_step: Count


@with_config(EXACT)
class GeneratedText(TypedDict):
    """A text that the final weights wrote.

    length: tokens that it may have. tokens: that it has, the prompt and the end not counted. loss: the
    model's own mean loss of these and of the end, in nats per token. mark: whether it is among the lowest
    ("best") or the highest ("worst") by this loss.
    """

    length: Positive
    text: str
    complete: bool
    tokens: Count
    loss: float
    mark: Literal["best", "worst", ""]


@with_config(EXACT)
class VarietyMeasures(TypedDict):
    """How varied texts of at most `length` tokens are, and what they copy; see `measure.generation`.

    source: who wrote them, "model" or "validation". distinct, copied: by size of the n-grams, "2" and so on;
    None where no text is that long.
    """

    source: Literal["model", "validation"]
    length: Positive
    texts: Count
    tokens: Count
    distinct: Mapping[str, float | None]
    repetition: float | None
    copied: Mapping[str, float | None]


@with_config(EXACT)
class GenerationCard(TypedDict):
    """Texts that the final weights wrote after a prompt, as long as those of training and twice as long."""

    prompt: str
    temperature: float
    seed: Count
    texts: Sequence[GeneratedText]
    measures: Sequence[VarietyMeasures]
    checkpoint_step: Count
