"""Settings of language models that train within a second."""

MODELS = {
    "lstm": ["model.embedding_size=4", "model.hidden_size=4", "model.layers=1"],
    "transformer": ["model.hidden_size=4", "model.heads=2", "model.layers=1", "model.feed_forward_size=4"],
}
