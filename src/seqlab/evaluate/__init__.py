"""Scoring, comparing with the true distribution, predicting and sampling with a trained model."""
