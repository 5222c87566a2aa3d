"""One experiment from its settings: recipes, optimizers, schedules, seeds, and everything built from them."""
