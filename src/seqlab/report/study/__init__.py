"""A study's part of a report."""
