"""Strict configuration, registries of kinds, shapes of records, and the errors users see."""
