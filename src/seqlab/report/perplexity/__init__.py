"""The perplexity of language models by architecture and by optimizer."""
