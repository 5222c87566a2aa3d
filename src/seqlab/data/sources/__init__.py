"""Where texts come from: one file per dataset, or per family of similar datasets."""
