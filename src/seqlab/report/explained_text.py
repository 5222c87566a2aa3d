"""A text for a page: its parts with the colours of their effects, and its largest effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seqlab.schema.text_explanation import ExplainedWord, TextExplanation
from seqlab.stats.formatting import counted, format_value

LISTED = 8
"""Words of either sign that are listed."""
STRONG, FAINT = 0.3, 0.02
"""Shares of a text's largest effect from which a word is underlined, and from which it is coloured."""
MOST_BITS = 1000
"""Bits per token from which the perplexity would overflow."""
_STATUS = {"read": "read", "unknown": "unknown word", "cut": "not read: the text is cut"}


@dataclass(frozen=True)
class TextPart:
    """A part of a text. sign and share: of its effect, relative to the largest; 0 where it has none to show.

    greyed: whether the model does not read it, or not as this word. tooltip: its effect in words.
    """

    text: str
    sign: int = 0
    share: float = 0.0
    greyed: bool = True
    unknown: bool = False
    tooltip: str = ""

    @property
    def classes(self) -> str:
        """Names of its styles on a page."""
        named = {
            "raises": self.sign > 0,
            "lowers": self.sign < 0,
            "strong": self.share >= STRONG,
            "not-read": self.greyed,
            "unknown": self.unknown,
        }
        return " ".join(name for name, holds in named.items() if holds)


@dataclass(frozen=True)
class EffectRow:
    """A word in a list. share: of the largest effect."""

    word: str
    effect: str
    share: float = 0.0
    tokens: str = ""
    status: str = ""
    floor: str = ""


@dataclass(frozen=True)
class TextBlock:
    """A text on a page; see the template. floors: the text in the colours of the true distribution."""

    number: int
    title: str
    facts: str
    warning: str
    parts: Sequence[TextPart]
    raising: Sequence[EffectRow]
    lowering: Sequence[EffectRow]
    rows: Sequence[EffectRow]
    count: str
    floors: Sequence[TextPart] = ()


def text_block(found: TextExplanation, number: int) -> TextBlock:
    """A text as the template shows it; its number is from 1."""
    signed = {sign: [w for w in found.ranked if sign * (w.effect or 0.0) > 0][:LISTED] for sign in (1, -1)}
    return TextBlock(
        number=number,
        title=f"{number}. {answer_sentence(found)}",
        facts=sum_sentence(found),
        warning=gap_warning(found),
        parts=list(text_parts(found)),
        raising=[_row(word, found) for word in signed[1]],
        lowering=[_row(word, found) for word in signed[-1]],
        rows=[_row(word, found) for word in found.words],
        count=counted(len(found.words), "token" if found.unit else "word"),
        floors=list(floor_parts(found)),
    )


def answer_sentence(found: TextExplanation) -> str:
    """What the model answers, and what is explained."""
    if found.value is None:
        return "no text, no answer"
    if found.targets:
        return f"{found.value / found.targets:.3f} {found.unit} per token"
    if not found.label:
        return f"number {format_value(found.value)}"
    explained = f"{found.label}, probability {found.probability:.3f}"
    return explained if found.label == found.predicted else f"{explained}; predicted: {found.predicted}"


def sum_sentence(found: TextExplanation) -> str:
    """What the effects add up to, and how exactly; "" of a row without text."""
    if found.value is None:
        return ""
    if found.targets:
        return _surprisal_sentence(found.value, found)
    what = f"Log odds {format_value(found.value)}" if found.label else f"Number {format_value(found.value)}"
    if found.baseline is None or found.gap is None:
        return f"{what}."
    total = sum(word.effect or 0.0 for word in found.words)
    steps = f" with {found.steps} steps" if found.steps else ""
    return (
        f"{what}, baseline {format_value(found.baseline)}: a difference of "
        f"{format_value(found.value - found.baseline)}. Effects add up to {format_value(total)}, "
        f"a gap of {found.gap:.1g}{steps}."
    )


def _surprisal_sentence(value: float, found: TextExplanation) -> str:
    assert found.targets, "of a language model"
    mean, unit = value / found.targets, found.unit
    floor = (
        "" if found.floor is None else f" Under the true distribution: {format_value(found.floor)} {unit}."
    )
    return (
        f"{format_value(value)} {unit} over {counted(found.targets, 'token')}, perplexity "
        f"{format_value(2 ** min(mean, MOST_BITS))}.{floor}"
    )


def gap_warning(found: TextExplanation) -> str:
    """A sentence where the effects do not add up as they should, or the text is not one of the language."""
    if found.possible is not None and found.possible < len(found.words):
        wrong = found.words[found.possible].text
        return f"Not a text of the language: token {found.possible + 1}, {wrong!r}, cannot follow."
    if found.converged:
        return ""
    return f"The gap is above 1 % of the effects, although {found.steps} steps were taken."


def text_parts(found: TextExplanation, largest: float | None = None) -> Iterator[TextPart]:
    """The whole text, part by part; where positions are not known, its words with spaces.

    Args:
        found: the text.
        largest: the effect with the strongest colour; None: its own largest.
    """
    end, scale = 0, found.largest if largest is None else largest
    for index, word in enumerate(found.words):
        if word.start is None or word.end is None:
            yield TextPart(" " if index else "")
        else:
            if word.start > end:
                yield TextPart(found.text[end : word.start])
            end = word.end
        yield _word_part(word, scale, found.unit)
    if end < len(found.text) and (end or not found.words):
        yield TextPart(found.text[end:])


def floor_parts(found: TextExplanation) -> Iterator[TextPart]:
    """The same text in the colours of the true surprisals, on the same scale; nothing without them."""
    if found.possible is not None:
        words = tuple(replace(word, effect=word.floor) for word in found.words)
        yield from text_parts(replace(found, words=words), found.largest)


def _word_part(word: ExplainedWord, largest: float, unit: str) -> TextPart:
    unknown = word.status == "unknown"
    if word.effect is None:
        return TextPart(word.text, tooltip="" if unit else _STATUS[word.status])
    share = _share(word, largest)
    sign = 0 if share < FAINT else 1 if word.effect > 0 else -1
    tooltip = f"{amount(word.effect, unit)}{', unknown word' * unknown}"
    return TextPart(word.text, sign, share if sign else 0.0, unknown, unknown, tooltip)


def _row(word: ExplainedWord, found: TextExplanation) -> EffectRow:
    largest, unit = found.largest, found.unit
    effect = "" if word.effect is None else amount(word.effect, unit)
    floor = "" if word.floor is None else amount(word.floor, unit)
    tokens = " ".join(word.tokens)
    return EffectRow(word.text, effect, _share(word, largest), tokens, _STATUS[word.status], floor)


def amount(effect: float, unit: str) -> str:
    """An effect with its sign, or a surprisal with its unit."""
    return f"{effect:.2f} {unit}" if unit else signed(effect)


def _share(word: ExplainedWord, largest: float) -> float:
    return min(1.0, round(abs(word.effect or 0.0) / largest, 2)) if largest else 0.0


def signed(effect: float) -> str:
    """An effect with its sign and three digits, or all before the decimal point.

    >>> signed(0.1), signed(-2.0), signed(54321.0), signed(0.0)
    ('+0.100', '-2.00', '+54,321', '0')
    """
    return f"{effect:+,.0f}" if abs(effect) >= 100 else f"{effect:+#.3g}" if effect else "0"
