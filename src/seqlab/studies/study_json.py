"""The result of a study as plain values, for `--json` and for the results of this repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqlab.comparison.study_oracle import oracle_gaps
from seqlab.comparison.study_pairs import pairs
from seqlab.comparison.study_sentences import importance, reliability
from seqlab.comparison.study_steps import counts_steps, steps_to_success

if TYPE_CHECKING:
    from seqlab.comparison.study import Group, Study
    from seqlab.runs.study_folder import StudyFolder
    from seqlab.studies.final_evaluation import FinalEvaluation


def as_table(
    parts: Sequence[Study], folder: StudyFolder, evaluation: FinalEvaluation | None
) -> dict[str, Any]:
    """The comparison on each dataset, and the test evaluation."""
    about = parts[0].about
    return {
        "study": parts[0].name,
        "folder": str(folder.path),
        "expectation": about.get("expectation", ""),
        "metric": parts[0].monitor.name,
        "unit": parts[0].monitor.unit,
        "parts": [_part(part) for part in parts],
        "test": None if evaluation is None else _test_evaluation(evaluation),
    }


def _part(study: Study) -> dict[str, Any]:
    # Asked once, because the answer is read from the records of all runs.
    steps = counts_steps(study)
    return {
        "part": study.part,
        "refused": study.refusal(),
        "groups": [_group(group, study, steps=steps) for group in (*study.groups, *study.baselines)],
        "best": [_group(group, study, steps=steps) for group in study.ranked],
        "oracle": [asdict(gap) for gap in oracle_gaps(study)],
        "pairs": [pair.sentence for pair in pairs(study).found],
        "reliability": reliability(study),
        "importance": importance(study),
        "edges": study.edges,
    }


def _group(group: Group, study: Study, *, steps: bool) -> dict[str, Any]:
    summary = group.summary
    return {
        "architecture": group.architecture,
        "setting": dict(group.setting),
        "baseline": group.baseline,
        "median": summary.median,
        "interval": list(summary.interval_ends),
        "values": {str(cell.seed): cell.value for cell in group.cells},
        "censored": dict(summary.censored),
        "successes": None if study.about.get("success") is None else summary.share,
        "steps_to_success": steps_to_success(group, study) if steps else None,
    }


def _test_evaluation(evaluation: FinalEvaluation) -> dict[str, Any]:
    return {
        "evaluation": evaluation.number,
        "repeated": evaluation.repeated,
        "metrics": {
            group.architecture: [card["metrics"] for card in cards]
            for group, cards in zip(evaluation.choices, evaluation.cards, strict=True)
        },
    }
