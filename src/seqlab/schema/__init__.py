"""Strict configuration, registries of kinds, shapes of records, metrics' units, and the errors users see."""
