"""Decoding: what a model writes, greedily or by sampling."""
