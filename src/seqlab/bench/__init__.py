"""Measurements of speed, as ratios within one process: what `seqlab bench` prints."""
