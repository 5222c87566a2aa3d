"""Metrics: what is counted over the scored targets of a split."""
