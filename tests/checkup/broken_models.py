"""Small correct models, and the same with one mistake each."""

import torch
from torch import Tensor, nn

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.model import Capabilities, SequenceModel, State

VOCABULARY, CLASSES, SIZE = 12, 2, 8


class Causal(SequenceModel):
    """embedding -> tanh recurrence -> ReLU layer -> head, written step by step."""

    capabilities = Capabilities(causal=True, carries_state=True)

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.input, self.recurrent = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.middle, self.head = nn.Linear(SIZE, 2 * SIZE), nn.Linear(2 * SIZE, VOCABULARY)
        if fault == "unused layer":
            self.unused = nn.Linear(3, 3)
        self.dropout = nn.Dropout(0.5)
        draw(self)
        if fault == "dead ReLU":
            self.middle.bias.data.fill_(-100)
        if fault == "zero head that looks ahead":
            self.head.weight.data.zero_()

    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, State]:
        x = self.embed(batch.inputs.tokens)
        before = x.new_zeros(len(x), SIZE) if state is None else state.tensors["h"].reshape(len(x), SIZE)
        hidden, last = self.recur(x, batch, before)
        if self.fault == "normalisation over time":
            hidden = hidden - hidden.mean(dim=1, keepdim=True)
        if self.fault == "statistics over the batch":
            hidden = hidden - hidden.mean(dim=0, keepdim=True)
        return self.dropout(torch.relu(self.middle(hidden))), self.state(last)

    def embed(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        if self.fault in {"centred convolution", "zero head that looks ahead"}:
            x = x + torch.cat([x[:, 1:], x[:, :1] * 0], dim=1)
        if self.fault == "view instead of transpose":
            B, T, H = x.shape
            x = x.transpose(0, 1).reshape(B, T, H)
        if self.fault == "one batch size":
            x = x.view(4, -1, SIZE)
        return x.detach() if self.fault == "detached embedding" else x

    def recur(self, x: Tensor, batch: Batch, h: Tensor) -> tuple[Tensor, Tensor]:
        outputs, first = [], h
        for t in range(x.shape[1]):
            if self.fault == "attention to everything":
                h = h + x.mean(dim=1)
            new = torch.tanh(self.input(x[:, t]) + self.recurrent(h))
            outputs.append(new)
            if self.fault == "state after the padding":
                h = new
            else:
                h = torch.where(batch.inputs.mask[:, t : t + 1], new, h)
        last = first if self.fault == "state of the first step" else h
        return torch.stack(outputs, dim=1), last

    def state(self, h: Tensor) -> State:
        if self.fault == "state with time first":
            return State({"h": h.reshape(SIZE, -1)})
        return State({"h": h})

    def start(self, batch_size: int, source: Padded | None = None) -> State:
        size = (batch_size, SIZE)
        weight = self.embedding.weight
        return State({"h": weight.new_ones(size) if self.fault == "other start" else weight.new_zeros(size)})

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        if self.fault == "step ignores the state":
            state = self.start(len(tokens))
        inputs = Padded(tokens.unsqueeze(1), torch.ones_like(tokens))
        logits, new = self(unlabelled(inputs), state)
        return logits[:, -1], new


class Classifier(SequenceModel):
    """embedding -> tanh recurrence -> mean over time -> ReLU layer -> head."""

    capabilities = Capabilities(causal=False)

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.rnn = nn.RNN(SIZE, SIZE, batch_first=fault != "batch_first missing")
        self.middle, self.head = nn.Linear(SIZE, 2 * SIZE), nn.Linear(2 * SIZE, CLASSES)
        draw(self)

    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, None]:
        x = self.embedding(batch.inputs.tokens)
        x, _ = self.rnn(x)
        if self.fault == "input ignored":
            x = x * 0
        pooled = self.pool(x, batch)
        middle = self.middle(pooled)
        if self.fault == "NaN":
            middle = middle / 0 * 0
        return torch.relu(middle), None

    def pool(self, x: Tensor, batch: Batch) -> Tensor:
        if self.fault == "maximum over padding":
            return x.amax(dim=1)
        total = (x * batch.inputs.mask.unsqueeze(2)).sum(dim=1)
        if self.fault == "mean over the padded length":
            return total / x.shape[1]
        if self.fault == "last step":
            return x[:, -1]
        return total / batch.inputs.lengths.unsqueeze(1)


class SumOfTokens(SequenceModel):
    """embedding -> sum over time [-> ReLU layer] -> head: without the ReLU a linear map of token counts."""

    capabilities = Capabilities(causal=False)

    def __init__(self, *, nonlinear: bool):
        super().__init__()
        self.nonlinear = nonlinear
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.middle, self.head = nn.Linear(SIZE, 2 * SIZE), nn.Linear(2 * SIZE, CLASSES)
        draw(self)

    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, None]:
        total = (self.embedding(batch.inputs.tokens) * batch.inputs.mask.unsqueeze(2)).sum(dim=1)
        middle = self.middle(total)
        return torch.relu(middle) if self.nonlinear else middle, None


def draw(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
