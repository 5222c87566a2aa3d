"""The sections of a chapter, and those that all chapters share."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.cost_charts import cost_figures
from seqlab.report.charts.diagnostic_charts import curve_figures, matrix_figures
from seqlab.report.charts.figure import Figure
from seqlab.report.charts.gradient_charts import gradient_figures, rescaled_gradient_figures
from seqlab.report.charts.learning_curves import (
    horizon_figures,
    learning_figures,
    optimisation_figures,
    sample_figures,
)
from seqlab.report.charts.length_charts import length_figures
from seqlab.report.charts.position_charts import free_running_figures, position_figures
from seqlab.report.charts.saturation_charts import saturation_figures
from seqlab.report.charts.trust_charts import trust_figures
from seqlab.report.cost_tables import cost_table, environment_table, folders_table
from seqlab.report.data_tables import cards_table, data_table
from seqlab.report.ensemble_tables import members_table
from seqlab.report.generated_tables import generated_table, run_generated
from seqlab.report.oracle_tables import oracle_table, wrong_samples_table
from seqlab.report.perplexity.perplexity_sections import perplexity_sections
from seqlab.report.results_table import results_table
from seqlab.report.sample_texts import run_samples, split_samples
from seqlab.report.score_tables import adapted_table, other_splits_table, seeds_table
from seqlab.report.sections import Part, Section, non_empty, present
from seqlab.report.settings_tables import shared_settings_table
from seqlab.report.trust_tables import (
    calibration_table,
    label_scores_table,
    length_table,
    trust_notes,
    wrong_texts_table,
)


def diagnostic_figures(chapter: Chapter) -> list[Figure]:
    """Losses by position, saturation, matrices, and other curves."""
    return [
        *matrix_figures(chapter),
        *position_figures(chapter),
        *free_running_figures(chapter),
        *saturation_figures(chapter),
        *curve_figures(chapter),
    ]


def chapter_part(chapter: Chapter, *, samples: bool) -> Part:
    """Everything about the runs of a chapter; `samples`: whether texts are shown."""
    shown, folded = split_samples(chapter, run_samples(chapter)) if samples else ([], [])
    curves = learning_figures(chapter)
    sections = [
        Section(
            title="Results",
            folded=False,
            tables=present(results_table(chapter), members_table(chapter)),
        ),
        *perplexity_sections(chapter),
        Section(
            title="Seeds and other splits",
            tables=present(seeds_table(chapter), other_splits_table(chapter), adapted_table(chapter)),
        ),
        Section(
            title="Trust in the labels",
            notes=trust_notes(chapter),
            tables=present(
                label_scores_table(chapter),
                length_table(chapter),
                calibration_table(chapter),
                wrong_texts_table(chapter) if samples else None,
            ),
            figures=[*trust_figures(chapter), *length_figures(chapter)],
        ),
        Section(title="Quality against cost", figures=cost_figures(chapter)),
        Section(title="Learning curves", folded=False, figures=curves[:1], more_figures=curves[1:]),
        Section(
            title="Comparison with the true distribution",
            tables=present(oracle_table(chapter), wrong_samples_table(chapter) if samples else None),
            figures=sample_figures(chapter),
        ),
        Section(title="Gradient norm and learning rate", figures=optimisation_figures(chapter)),
        Section(title="Diagnostics", figures=diagnostic_figures(chapter)),
        Section(
            title="Gradient through time",
            figures=[
                *gradient_figures(chapter),
                *rescaled_gradient_figures(chapter),
                *horizon_figures(chapter),
            ],
        ),
        Section(title="Samples", samples=shown, more_samples=folded),
        Section(
            title="Generated texts",
            tables=present(generated_table(chapter)),
            generated=run_generated(chapter) if samples else [],
        ),
        Section(title="Data", tables=present(data_table(chapter))),
        Section(title="Evaluation cards", tables=present(cards_table(chapter))),
        Section(title="Settings", tables=present(shared_settings_table(chapter))),
    ]
    return Part(chapter.title, non_empty(sections))


def shared_part(entries: Sequence[Entry]) -> Part:
    """Folders, cost and environment of all runs."""
    with_settings = [entry for entry in entries if entry.run.settings]
    sections = [
        Section(title="Reproduction", tables=[folders_table(entries)], configs=with_settings),
        Section(title="Cost", tables=[cost_table(entries)]),
        Section(title="Environment", tables=present(environment_table(entries))),
    ]
    return Part("All runs", sections)
