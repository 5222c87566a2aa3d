"""The run folder: configuration, records, cards and checkpoints on disk; free of torch."""
