"""Sequence models: embed -> features -> head, one page each."""
