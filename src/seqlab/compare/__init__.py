"""Numbers in, sentences out: what a comparison of runs can claim."""
