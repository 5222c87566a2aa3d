"""Statistics of results: over seeds, over items, over settings."""
