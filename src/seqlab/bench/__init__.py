"""Measurements of speed, as ratios within one process, for `seqlab bench`."""
