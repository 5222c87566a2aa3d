"""The room's visible table: tasks by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

TASKS = Registry(
    "task",
    {
        "classify": ("seqlab.tasks.configs:ClassifyConfig", "one label for each sequence"),
        "language-model": ("seqlab.tasks.configs:LanguageModelConfig", "the next token at each step"),
    },
)
