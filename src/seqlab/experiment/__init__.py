"""One experiment from its settings: recipes, optimizers, schedules, averages, seeds, and what they build."""
