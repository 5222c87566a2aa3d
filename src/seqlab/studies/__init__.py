"""Many runs from one file, carried out, compared and repeated as one piece of work."""
