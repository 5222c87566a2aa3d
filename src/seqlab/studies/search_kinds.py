"""The room's visible table: ways to pick settings, by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

SEARCHES = Registry(
    "search",
    {
        "grid": ("seqlab.studies.study_config:GridConfig", "every combination of the axes"),
        "random": ("seqlab.studies.study_config:RandomConfig", "independent draws from the axes"),
        "tpe": (
            "seqlab.studies.study_config:TpeConfig",
            "draws guided by the results so far; can stop runs early",
        ),
    },
)
