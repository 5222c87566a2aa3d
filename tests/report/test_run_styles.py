"""Colours: contrast on both pages, and differences that colour-blind readers see."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from seqlab.report.run_styles import COLOURS, StyleBook

PAGES = ("#ffffff", "#14171c")
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.052]]),
    "deuteranopia": np.array([[0.3673, 0.8607, -0.228], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "tritanopia": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}
"""What each sees of linear red, green and blue (Machado, Oliveira and Fernandes 2009, severity 1)."""
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> NDArray[np.float64]:
    parts = np.array([int(colour[index : index + 2], 16) for index in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2."""
    darker, lighter = sorted(TO_XYZ[1] @ linear(colour) + 0.05 for colour in (one, other))
    return lighter / darker


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE 1976 L*a*b*, in which a distance of 2.3 is just noticeable."""
    ratios = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    roots = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    return np.array([116 * roots[1] - 16, 500 * (roots[0] - roots[1]), 200 * (roots[1] - roots[2])])


@pytest.mark.parametrize("page", PAGES)
def test_marks_have_the_contrast_of_graphics(page: str) -> None:
    assert min(contrast(colour, page) for colour in COLOURS) >= 3


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_all_colours_can_be_told_apart(blindness: str) -> None:
    seen = [lab(BLINDNESS[blindness] @ linear(colour)) for colour in COLOURS]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 15


def test_every_architecture_has_another_look() -> None:
    book = StyleBook()
    styles = [book.of_architecture(str(index)) for index in range(40)]
    assert len({(style.colour, style.shape) for style in styles}) == 40
    one = book.of_labels([("rate=0.1", "lstm"), ("rate=0.2", "lstm"), ("rate=0.3", "lstm")])
    assert len({style.colour for style in one.values()}) == 3
