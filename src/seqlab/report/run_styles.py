"""Colours, point shapes and dashes: an architecture has one colour on the whole page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLOURS = ("#3b7dd8", "#cf6a0a", "#789669", "#b42d96", "#875a69", "#d278a5", "#d22d3c")
"""Contrast of at least 3 to 1 against the light and against the dark page, so both use the same colours;
readers with any of the three kinds of colour blindness can tell all of them from each other."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
DASHES = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4), (12, 4), (1, 3))
"""Lengths of strokes and gaps, by a label's index within its architecture; () is a solid line."""
MOST_LABELS = 7
"""Labels of a chapter up to which each has its own style; beyond, labels share their architecture's style."""


@dataclass(frozen=True)
class Style:
    """The style of a run: hexadecimal colour, Vega's name of its point shape, the dashes of its line."""

    colour: str
    shape: str
    dash: tuple[int, ...]


class StyleBook:
    """Assigns styles to the architectures of a page, in the order in which they are first requested."""

    def __init__(self) -> None:
        self._indices: dict[str, int] = {}

    def of_architecture(self, architecture: str) -> Style:
        """The style of an architecture as a whole."""
        return _numbered(self._index(architecture))

    def _index(self, architecture: str) -> int:
        return self._indices.setdefault(architecture, len(self._indices))

    def of_labels(self, named: Sequence[tuple[str, str]]) -> dict[str, Style]:
        """A style for each label, given pairs of label and architecture.

        With few labels, shapes distinguish all of them, and dashes those of one architecture. Where there is
        only one architecture, its labels have the colours.
        """
        architectures = dict(named)
        if len(architectures) > MOST_LABELS:
            return {label: self.of_architecture(name) for label, name in architectures.items()}
        if len(set(architectures.values())) == 1:
            first = self._index(next(iter(architectures.values())))
            return {label: _numbered(first + index) for index, label in enumerate(architectures)}
        bases = {name: self.of_architecture(name) for name in architectures.values()}
        return member_styles(architectures, bases)


def member_styles(groups: Mapping[str, str], bases: Mapping[str, Style]) -> dict[str, Style]:
    """The colour of its group for each label, with dashes and a shape of its own.

    Args:
        groups: the group of each label.
        bases: the style of each group.
    """
    styles: dict[str, Style] = {}
    counts: dict[str, int] = {}
    for label, group in groups.items():
        index = counts[group] = counts.get(group, -1) + 1
        base = bases[group]
        # Counted from the group's own shape, so that shapes differ between groups, too.
        shape = SHAPES[(SHAPES.index(base.shape) + index) % len(SHAPES)]
        styles[label] = Style(base.colour, shape, DASHES[index % len(DASHES)])
    return styles


def _numbered(index: int) -> Style:
    rounds, colour = divmod(index, len(COLOURS))
    # A colour that is used again has another shape.
    return Style(COLOURS[colour], SHAPES[(index + rounds) % len(SHAPES)], ())
