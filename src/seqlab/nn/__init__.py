"""Layers, each with its equations. Parameters are named as in torch."""
