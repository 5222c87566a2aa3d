"""A model to be checked: seqlab check my_checked_net.py:Net size=8 --task classify."""

from torch import nn


class Net(nn.Module):
    """Embedding, GRU, linear: the class of a text from its last step."""

    def __init__(self, vocabulary, size=16, classes=3):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.rnn = nn.GRU(size, size, batch_first=True)
        self.output = nn.Linear(size, classes)

    def forward(self, tokens):
        """Logits (batch, classes) of tokens (batch, time)."""
        features, _ = self.rnn(self.embedding(tokens))
        return self.output(features[:, -1])
