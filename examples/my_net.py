"""A model of one's own: seqlab train brackets-lstm model.kind=import model.path=my_net.py:Net."""

from torch import nn


class Net(nn.Module):
    """Embedding, GRU, linear: token ids to the logits of the next token."""

    def __init__(self, vocabulary, size=32, dropout=0.1):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.rnn = nn.GRU(size, size, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, vocabulary)

    def forward(self, tokens, state=None):
        """Logits of the next token for each step, and the state after the last one."""
        features, state = self.rnn(self.embedding(tokens), state)
        return self.output(self.dropout(features)), state
