"""The shapes of an explanation: the words of a text, and what each adds to a model's answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

BITS = "bits"
"""The unit of surprisals."""
WordStatus = Literal["read", "unknown", "cut"]
"""Whether the model reads a word, reads it as the unknown token, or does not, as the text is cut."""
STATUSES: tuple[WordStatus, ...] = get_args(WordStatus)
"""The same; the first one of several models' is that of a word for all of them."""


@dataclass(frozen=True, kw_only=True)
class ExplainedWord:
    """A word of a text.

    text: as it is written; its tokens where their positions are not known. start, end: its first character
    and the one after its last; None where not known. tokens: of the vocabulary, those that are read.
    effect: None where the model does not read it. floor: of a surprisal the same under the true distribution;
    None where that is not known, or the word cannot follow.
    """

    text: str
    start: int | None
    end: int | None
    tokens: tuple[str, ...]
    effect: float | None
    status: WordStatus
    floor: float | None = None


@dataclass(frozen=True, kw_only=True)
class TextExplanation:
    """A text, the answer of a model, and the effect of each word on it.

    A row without text has no answer: its numbers are None, and it has no words.

    predicted: the likeliest label. label: the one that is explained. Of a number both are "". probability: of
    the explained label; None of a number. value: what the effects explain, see `Explanations.quantity`.
    baseline: the same of what the text is compared with; None where effects do not add up. gap: how far the
    sum of the effects is from value - baseline. steps: of integrated gradients. converged: whether the gap
    is within the tolerance of the method. unit: of effects and value, "" of log odds and numbers. targets: of
    a language model the predicted tokens. floor: the value under the true distribution, where it is known
    and not infinite. possible: the words before the first that cannot follow; None where it is unknown.
    """

    text: str
    predicted: str
    label: str
    probability: float | None
    value: float | None
    baseline: float | None
    gap: float | None
    steps: int | None
    converged: bool
    words: tuple[ExplainedWord, ...]
    unit: str = ""
    targets: int | None = None
    floor: float | None = None
    possible: int | None = None

    @property
    def ranked(self) -> list[ExplainedWord]:
        """The words that the model reads, the largest effects first; equal ones in their order."""
        read = [word for word in self.words if word.effect is not None]
        return sorted(read, key=lambda word: -abs(word.effect or 0.0))

    @property
    def largest(self) -> float:
        """The largest effect, without its sign; 0 without words."""
        return max((abs(word.effect or 0.0) for word in self.words), default=0.0)


def without_answer(text: str) -> TextExplanation:
    """What there is of a row without text."""
    return TextExplanation(
        text=text,
        predicted="",
        label="",
        probability=None,
        value=None,
        baseline=None,
        gap=None,
        steps=None,
        converged=True,
        words=(),
    )


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """Explanations of several texts by one model.

    run: name of its folder. method: how they were explained. reason: why so, a sentence. quantity: what
    effects explain, such as the log odds of a label. meaning: what an effect is. texts: the explanations, or
    the first of them. total: texts there are.
    """

    run: str
    method: str
    reason: str
    quantity: str
    meaning: str
    texts: tuple[TextExplanation, ...]
    total: int

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return asdict(self)
