"""The sections on perplexity, of chapters with several architectures and several optimizers."""

from __future__ import annotations

from seqlab.report.chapters import Chapter
from seqlab.report.perplexity.clock_sentences import clock_sentences
from seqlab.report.perplexity.generalization_sentences import generalization_sentences
from seqlab.report.perplexity.limit_sentences import limit_sentences
from seqlab.report.perplexity.perplexity_figures import experiment_figures, role_figures
from seqlab.report.perplexity.runs_over_seeds import runs_over_seeds
from seqlab.report.perplexity.spread_sentences import spread_sentences
from seqlab.report.sections import Note, Section


def perplexity_sections(chapter: Chapter) -> list[Section]:
    """What the perplexities say, curves by architecture and optimizer, and those of each experiment."""
    found = runs_over_seeds(chapter)
    if min(len({each.architecture for each in found}), len({each.optimizer for each in found})) < 2:
        return []
    notes = [
        Note("Best on the clock", clock_sentences(found)),
        Note("Best in generalization", generalization_sentences(found)),
        Note("Most reliable across settings", spread_sentences(chapter, found)),
        Note("What these runs do not show", limit_sentences(found)),
    ]
    return [
        Section(
            title="Architectures and optimizers",
            folded=False,
            notes=[note for note in notes if note.sentences],
            figures=role_figures(chapter, found),
        ),
        Section(title="Curves of each experiment", figures=experiment_figures(chapter, found)),
    ]
