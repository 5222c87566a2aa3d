"""Colours, shapes and dashes: an architecture has one colour on the whole page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = ("#3b7dd8", "#cf6a0a", "#1f9254", "#d0457f", "#8467d7", "#17899a", "#a46a3f", "#7a828e")
"""At least 3 to 1 against the light and against the dark page, so that both show the same colours."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
DASHES = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4), (12, 4), (1, 3))
"""Lengths of strokes and gaps, by a label's place within its architecture; () is a whole line."""
FEW = 7
"""Labels of a chapter up to which each has a look of its own; of more, an architecture's runs look alike."""


@dataclass(frozen=True)
class Style:
    """How a run looks: hexadecimal colour, Vega's name of its points' shape, its line's dashes."""

    colour: str
    shape: str
    dash: tuple[int, ...]


class Styles:
    """The architectures of a page, in the order in which they came."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def of(self, architecture: str) -> Style:
        """The look of an architecture as a whole."""
        place = self._places.setdefault(architecture, len(self._places))
        return Style(COLOURS[place % len(COLOURS)], SHAPES[place % len(SHAPES)], ())

    def of_chapter(self, named: Sequence[tuple[str, str]]) -> dict[str, Style]:
        """A look for each label of (label, architecture).

        Few labels: shapes tell all of them apart, dashes those of one architecture.
        """
        architectures = dict(named)
        if len(architectures) > FEW:
            return {label: self.of(architecture) for label, architecture in architectures.items()}
        found: dict[str, Style] = {}
        seen: dict[str, int] = {}
        for label, architecture in architectures.items():
            place = seen[architecture] = seen.get(architecture, -1) + 1
            whole = self.of(architecture)
            shape = SHAPES[(SHAPES.index(whole.shape) + place) % len(SHAPES)]
            found[label] = Style(whole.colour, shape, DASHES[place % len(DASHES)])
        return found
