"""Simple baselines that stand beside every network: fitted without steps, scored like everything else."""
