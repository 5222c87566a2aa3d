"""Sources, tokenizers, vocabularies, the encoded cache, and batches."""
