"""Layers, each with its equations; parameters are named as in torch."""
