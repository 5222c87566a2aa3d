"""Registry of searches: how a study picks settings, by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

SEARCHES = Registry(
    "search",
    {
        "grid": ("seqlab.studies.grid_search:GridConfig", "every combination of the axes' values"),
        "random": ("seqlab.studies.random_search:RandomConfig", "independent draws from the axes"),
        "tpe": (
            "seqlab.studies.tpe_search:TpeConfig",
            "draws guided by the results so far; can stop runs early",
        ),
    },
    listed="searches",
)
