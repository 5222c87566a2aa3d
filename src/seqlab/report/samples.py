"""What a run's model wrote, or how it labelled texts: at the end, and on the way there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.report.comparing import Chapter, Entry
from seqlab.schema.records import Moment, Text

FINAL = "final_sample"
Moments = dict[Moment, list[Text]]


@dataclass(frozen=True)
class Written:
    """Texts of one run: those of `moment`, and those before, oldest first."""

    entry: Entry
    moment: Moment
    final: bool
    """Written by the best checkpoint; otherwise by the weights of that moment."""
    texts: Sequence[Text]
    earlier: Sequence[tuple[Moment, Sequence[Text]]]

    @property
    def labelled(self) -> bool:
        """Whether the texts are answers to given texts, not continuations of a prompt."""
        return bool(self.entry.run.labels)


def written(chapter: Chapter) -> list[Written]:
    """The samples of each run that has some."""
    return [found for entry in chapter.entries if (found := _of(entry)) is not None]


def split(chapter: Chapter, found: Sequence[Written]) -> tuple[list[Written], list[Written]]:
    """Those shown at once, and the others: of many runs the best of each architecture come first."""
    if not chapter.many:
        return list(found), []
    best = {entry.number for entry in chapter.best()}
    first = [one for one in found if one.entry.number in best] or list(found[:1])
    return first, [one for one in found if one not in first]


def _of(entry: Entry) -> Written | None:
    final = _by_moment([pair for pair in entry.run.samples if pair[0].name == FINAL])
    others = _by_moment([pair for pair in entry.run.samples if pair[0].name != FINAL])
    if final:
        moment, texts = list(final.items())[-1]
        return Written(entry, moment, True, texts, list(others.items()))
    if not others:
        return None
    *earlier, (moment, texts) = others.items()
    return Written(entry, moment, False, texts, earlier)


def _by_moment(samples: Sequence[tuple[Text, Moment]]) -> Moments:
    found: Moments = {}
    for text, moment in samples:
        found.setdefault(moment, []).append(text)
    return found
