"""What a trained model is worth: scoring splits, comparing with the true distribution, predicting, sampling."""
