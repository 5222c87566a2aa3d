"""The question of a study, or one made from what differs between runs."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.report.chapters import Chapter
from seqlab.report.settings_tables import differing_settings
from seqlab.report.tables import capitalized, words
from seqlab.schema.settings import short_names
from seqlab.stats.formatting import counted

_INTERROGATIVES = (
    *("which", "what", "how", "who", "why", "where", "when", "whether", "over", "to"),
    *("does", "do", "is", "are", "can", "should"),
)
"""First words of a question."""
_MOST_NAMES = 5
"""Models that a question lists; of more it gives the number."""


def study_question(about: str, name: str) -> str:
    """A study's own question with its question mark; its name where it has none.

    >>> study_question("which cell is best", "cells"), study_question("Cells on brackets", "cells")
    ('Which cell is best?', 'Cells on brackets')
    """
    text = capitalized(" ".join(about.split())).removesuffix(".")
    if not text:
        return f"Study {name}"
    asks = text.split()[0].lower() in _INTERROGATIVES and text[-1] not in "?!"
    return f"{text}?" if asks else text


def chapter_question(chapter: Chapter, names: Sequence[str]) -> str:
    """A question about runs that belong to no study.

    Args:
        chapter: the runs.
        names: of the networks that are compared.
    """
    metric = words(chapter.monitor.name)
    if len(names) == 1:
        return f"What {metric} does {names[0]} reach on {chapter.title}?"
    best = "highest" if chapter.monitor.better == "higher" else "lowest"
    return f"Which {_choices(chapter, names)} has the {best} {metric} on {chapter.title}?"


def _choices(chapter: Chapter, names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMES:
        return f"of {', '.join(names[:-1])} and {names[-1]}"
    keys = [key for key, _ in differing_settings(chapter)]
    settings = ", ".join(list(short_names(keys).values())[:_MOST_NAMES])
    return f"of {counted(len(names), 'model')}{f' (they differ in {settings})' if settings else ''}"
