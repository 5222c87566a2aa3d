"""Where texts come from: one file for each dataset."""
