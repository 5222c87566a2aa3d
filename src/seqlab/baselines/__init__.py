"""Baselines to compare networks with: fitted without gradient steps, scored by the same metrics."""
