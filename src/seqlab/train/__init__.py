"""Training: one experiment, its loop, optimizers, checkpoints and evaluation."""
