"""Checkup: probes that find silent bugs in a model before days of training are spent."""
