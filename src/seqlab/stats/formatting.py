"""Values, counts, shares and p-values as text."""

from __future__ import annotations

from typing import Literal

from seqlab.schema.metric_spec import LARGE


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "seed"), counted(5000, "text")
    ('1 seed', '5,000 texts')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def format_value(value: float, decimals: int = 4, *, separator: Literal["", ","] = "") -> str:
    """A number with this number of decimals, or with four significant digits where these would show fewer.

    >>> [format_value(value) for value in (12.34567, 0.05, 0.012345, 3.3e-8, 0.0, 1e300)]
    ['12.3457', '0.0500', '0.01235', '3.3e-08', '0.0000', '1e+300']
    """
    fixed, significant = f"{value:.{decimals}f}", f"{value:.4g}"
    small = abs(value) < 0.1 and float(fixed) != float(significant)
    return significant if small or abs(value) >= LARGE else f"{value:{separator}.{decimals}f}"


def format_decimal(value: float, decimals: int = 4) -> str:
    """A number with this number of decimals, or with all where it has more: one that is to be typed again.

    >>> format_decimal(0.5), format_decimal(0.999991)
    ('0.5000', '0.999991')
    """
    fixed = f"{value:.{decimals}f}"
    return fixed if float(fixed) == value else str(value)


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
