"""Run folders, study folders and checkpoints on disk: every file name, reader and writer; free of torch."""
