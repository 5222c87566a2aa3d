"""Counts, shares and p-values as text."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "seed"), counted(5000, "text")
    ('1 seed', '5,000 texts')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def percent(share: float) -> str:
    """A fraction such as a confidence level in percent, without needless digits.

    >>> percent(0.95), percent(0.9375)
    ('95 %', '93.8 %')
    """
    return f"{100 * share:.3g} %"


def format_p(p: float, adjusted: float | None = None) -> str:
    """A p-value with two digits, and the one after Holm's correction.

    >>> format_p(0.03125), format_p(2e-5, 0.0625)
    ('p = 0.031', 'p < 0.001, 0.062 after Holm')
    """
    text = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
    return text if adjusted is None else f"{text}, {adjusted:.2g} after Holm"
