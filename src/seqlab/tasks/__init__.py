"""Tasks: which tokens are targets, and the loss; metrics are named by key."""
