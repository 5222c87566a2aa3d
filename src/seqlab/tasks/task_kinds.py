"""The registry of tasks, by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

TASKS = Registry(
    "task",
    {
        "classify": ("seqlab.tasks.task_configs:ClassifyConfig", "one label for each sequence"),
        "regress": ("seqlab.tasks.task_configs:RegressConfig", "one number for each sequence"),
        "language-model": ("seqlab.tasks.task_configs:LanguageModelConfig", "the next token at each step"),
    },
)
