"""Studies: many runs from one file, trained, compared and repeated together."""
