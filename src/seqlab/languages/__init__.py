"""Formal languages, known exactly: strings, their probabilities, what may stand behind any prefix."""
