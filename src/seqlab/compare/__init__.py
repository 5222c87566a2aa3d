"""What can be said of results: over seeds, over items, over settings, and which of them can be compared."""
