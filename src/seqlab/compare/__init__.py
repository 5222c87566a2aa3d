"""What may be claimed of a study's runs, and which results can be compared at all."""
