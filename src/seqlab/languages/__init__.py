"""Formal languages with exactly known probabilities: of strings, and of the next token after any prefix."""
