"""Texts that a run's model wrote, or labels that it predicted: at the end, and during training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.report.chapters import Chapter, Entry
from seqlab.schema.records import Moment, Text

FINAL_SAMPLE = "final_sample"


@dataclass(frozen=True)
class RunSamples:
    """Texts of one run: those of `moment`, and the earlier ones, oldest first.

    final: whether the best checkpoint wrote them; otherwise the weights of that moment did.
    """

    entry: Entry
    moment: Moment
    final: bool
    texts: Sequence[Text]
    earlier: Sequence[tuple[Moment, Sequence[Text]]]

    @property
    def labelled(self) -> bool:
        """Whether the texts are predicted labels of given texts, not continuations of a prompt."""
        return bool(self.entry.run.labels)


def run_samples(chapter: Chapter) -> list[RunSamples]:
    """The samples of each run that has any."""
    return [samples for entry in chapter.entries if (samples := _of_run(entry)) is not None]


def split_samples(
    chapter: Chapter, samples: Sequence[RunSamples]
) -> tuple[list[RunSamples], list[RunSamples]]:
    """Samples that are shown, and folded ones: with many runs, the best of each architecture are shown."""
    if not chapter.many:
        return list(samples), []
    best = {entry.number for entry in chapter.best()}
    shown = [run for run in samples if run.entry.number in best] or list(samples[:1])
    return shown, [run for run in samples if run not in shown]


def _of_run(entry: Entry) -> RunSamples | None:
    final = _by_moment([pair for pair in entry.run.samples if pair[0].name == FINAL_SAMPLE])
    others = _by_moment([pair for pair in entry.run.samples if pair[0].name != FINAL_SAMPLE])
    if final:
        moment, texts = list(final.items())[-1]
        return RunSamples(entry, moment, True, texts, list(others.items()))
    if not others:
        return None
    *earlier, (moment, texts) = others.items()
    return RunSamples(entry, moment, False, texts, earlier)


def _by_moment(samples: Sequence[tuple[Text, Moment]]) -> dict[Moment, list[Text]]:
    texts: dict[Moment, list[Text]] = {}
    for text, moment in samples:
        texts.setdefault(moment, []).append(text)
    return texts
