"""What a study allows to conclude, in sentences."""

from __future__ import annotations

from seqlab.comparison.study import Study
from seqlab.comparison.study_choice import chosen
from seqlab.comparison.study_importance import importances
from seqlab.comparison.study_pairs import pairs
from seqlab.comparison.study_trade_offs import trade_offs


def sentences(study: Study) -> dict[str, list[str]]:
    """The conclusions of a study by topic; a topic without one is left out."""
    by_topic = {
        "The best compared with the others": comparisons(study),
        "Most reliable over settings": reliability(study),
        "Chosen by validation": chosen(study),
        "Importance of settings": [f"{name}: {text}" for name, text in importance(study).items()],
        "What a better result costs": trade_offs(study),
        "Best at the edge of the tried values": study.edges,
    }
    return {topic: found for topic, found in by_topic.items() if found}


def comparisons(study: Study) -> list[str]:
    """The pairs with the best architecture; the report has all pairs."""
    best = next((group.architecture for group in study.best if group.summary.median is not None), "")
    return pairs(study).about(best)


def reliability(study: Study) -> list[str]:
    """A sentence on each architecture that was tried with several settings."""
    return [architecture.sentence for architecture in study.reliability if architecture.settings > 1]


def importance(study: Study) -> dict[str, str]:
    """A sentence on the importance of each axis, by what it was computed for."""
    return {name: found.sentence for name, found in importances(study).found.items()}
