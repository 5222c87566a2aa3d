"""Checkup: probes that find silent bugs in a model before time is spent on training it."""
