"""Explained texts on a terminal: words in the colours of their effects, and the largest effects."""

from __future__ import annotations

from rich.text import Text

from seqlab.cli.console import out, print_heading, print_line, print_table
from seqlab.report.explained_text import (
    STRONG,
    TextPart,
    amount,
    answer_sentence,
    gap_warning,
    sum_sentence,
    text_parts,
)
from seqlab.report.explanation_page import colours_sentence, method_sentences
from seqlab.schema.text_explanation import Explanations, TextExplanation
from seqlab.schema.visible import visible

_RAISES, _LOWERS = (58, 118, 245), (217, 105, 12)
"""Colours of words for and against, red, green and blue; near those of the page."""
_WHITE_FROM = 0.6
"""Share of the largest effect from which letters are white."""
_LETTERS_ALONE = 0.2
"""Share below which a word has coloured letters alone: a pale background would glare on a dark terminal."""
_INDENT = "  "
_STATUS = {"read": "", "unknown": "unknown", "cut": "not read"}


def print_explained(found: Explanations, top: int) -> None:
    """Print explanations, each with its `top` largest effects."""
    print_line(colours_sentence(found))
    print_line(method_sentences(found))
    for number, text in enumerate(found.texts, start=1):
        print_heading(f"\n[{number}] {answer_sentence(text)}")
        if text.value is None:
            continue
        _print_coloured(text)
        print_line(sum_sentence(text))
        if warning := gap_warning(text):
            print_line(warning)
        _print_largest(text, top)


def _print_coloured(text: TextExplanation) -> None:
    """The text, indented, so that no line of it looks like one of the program's; no colours in a pipe."""
    console = out()
    shown = Text(_INDENT)
    for part in text_parts(text):
        lines = visible(part.text, keep="\n\t", encoding=console.encoding).replace("\n", f"\n{_INDENT}")
        shown.append(lines, _style(part, console.color_system))
    if console.file.isatty():
        console.print(shown)
    else:
        console.file.write(f"{shown.plain}\n")


def _style(part: TextPart, colours: str | None) -> str:
    """The style of a part by the colours that the terminal has; stronger effects have stronger ones."""
    if not part.sign:
        return "dim" if part.greyed else ""
    style = "italic " * part.greyed
    if colours == "standard":  # which has no shades
        name, letters = ("blue", "white") if part.sign > 0 else ("yellow", "black")
        return f"{style}{letters} on {name}" if part.share >= STRONG else f"{style}{name}"
    colour = _RAISES if part.sign > 0 else _LOWERS
    if part.share < _LETTERS_ALONE:
        return f"{style}rgb({','.join(map(str, colour))})"
    red, green, blue = (round(255 - (255 - value) * part.share) for value in colour)
    letters = "white" if part.share >= _WHITE_FROM else "black"
    return f"{style}{letters} on rgb({red},{green},{blue})"


def _print_largest(text: TextExplanation, top: int) -> None:
    floors = ["true distribution"] if text.possible is not None else []
    rows = [
        [
            amount(word.effect or 0.0, text.unit),
            *("" if word.floor is None else amount(word.floor, text.unit) for _ in floors),
            word.text,
            "" if word.start is None else word.start,
            _STATUS[word.status],
        ]
        for word in text.ranked[:top]
        if word.effect
    ]
    if rows:
        effect, word = ("surprisal", "token") if text.unit else ("effect", "word")
        print_table([effect, *floors, word, "at character", ""], rows)
