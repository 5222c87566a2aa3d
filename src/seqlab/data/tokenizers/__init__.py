"""Texts to token ids and back: one file for each family of tokenizers."""
