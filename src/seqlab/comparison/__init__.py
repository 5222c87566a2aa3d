"""What a study's runs allow to conclude, and which results can be compared at all."""
