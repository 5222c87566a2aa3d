"""Small modules for the probes: healthy, or with one mistake each. Legend: B sequences, T steps."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

V, H, CLASSES, PAD = 12, 8, 3, 0


class Tagger(nn.Module):
    """A causal language model: embedding, GRU, linear."""

    def __init__(self, fault: str = "", dropout: float = 0.3):
        super().__init__()
        self.fault = fault
        self.embedding = nn.Embedding(V, H)
        self.rnn = nn.GRU(H, H, batch_first=fault != "time first")
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(H, V)
        if fault == "unused layer":
            self.unused = nn.Linear(3, 3)
        if fault == "layers in a list":
            self.layers = [nn.Linear(H, H)]
        if fault == "untied":
            self.head.weight = nn.Parameter(self.embedding.weight.detach().clone())
        if fault in ("tied", "tied by data"):
            nn.init.normal_(self.embedding.weight, std=0.1)
            tied = self.embedding.weight
            self.head.weight = tied if fault == "tied" else nn.Parameter(tied.data)
        if fault == "large weights":
            nn.init.normal_(self.head.weight, std=20.0)
        if fault == "zero head":
            nn.init.zeros_(self.head.weight)
        self.remembered: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        if self.fault == "one batch size":
            tokens = tokens.view(5, -1)
        y = self.read(self.embed(tokens))
        logits = self.head(self.dropout(y))
        match self.fault:
            case "softmax":
                return logits.softmax(-1)
            case "log-softmax":
                return logits.log_softmax(-1)
            case "relu":
                return logits.relu()
            case "constant":
                return logits * 0 + self.head.bias
            case _:
                return logits

    def embed(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        match self.fault:
            case "look ahead":
                return x + torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], dim=1)
            case "leak of one token to one":
                place = F.one_hot(torch.tensor(2), x.shape[1]).to(x)[None, :, None]
                return x + 1e-4 * place * x[:, min(6, x.shape[1] - 1)].unsqueeze(1)
            case "view":
                return x.view(x.shape[1], x.shape[0], H).transpose(0, 1)
            case "rows mixed":
                return x - x.mean(dim=0)
            case "a scale in training" if self.training:
                return 2 * x
            case _:
                return {
                    "noise": lambda: x + torch.randn_like(x),
                    "dropout in evaluation": lambda: F.dropout(x),
                }.get(self.fault, lambda: x)()

    def read(self, x: Tensor) -> Tensor:
        y, _ = self.rnn(x)
        match self.fault:
            case "layers in a list":
                return y + self.layers[0].to(y.dtype)(y)
            case "no memory":
                return torch.tanh(x)
            case "detached":
                return y.detach()
            case "keeps its state":
                before = 0.0 if self.remembered is None else self.remembered.mean()
                self.remembered = y[:, -1].detach()
                return y + before
            case _:
                return y


class Padded(Tagger):
    """The same, with lengths that it does not need."""

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(tokens)


class WithState(nn.Module):
    """A language model that takes and returns its state."""

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault
        self.embedding, self.cell, self.head = nn.Embedding(V, H), nn.GRUCell(H, H), nn.Linear(H, V)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = self.embedding(tokens)
        h = x.new_zeros(len(tokens), H) if state is None or self.fault == "state ignored" else state
        outputs, first = [], h
        for t in range(tokens.shape[1]):
            h = self.cell(x[:, t], h)
            outputs.append(self.head(h))
        return torch.stack(outputs, 1), first if self.fault == "first state returned" else h


class Pooled(nn.Module):
    """A classifier of padded texts."""

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault
        self.embedding = nn.Embedding(V, H, padding_idx=PAD)
        self.rnn, self.head = nn.GRU(H, H, batch_first=True), nn.Linear(H, CLASSES)
        self.relu = nn.ReLU()

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(tokens)
        real = (torch.arange(tokens.shape[1]) < lengths[:, None]).unsqueeze(2)
        y, _ = self.rnn(x)
        match self.fault:
            case "maximum over padding":
                return self.head(y.amax(1))
            case "last step":
                return self.head(y[:, -1])
            case "last token lost":
                return self.head(y[torch.arange(len(y)), (lengths - 2).clamp(min=0)])
            case "dead layer":
                y = y + self.relu(y - 100)
            case "root of zero":
                norms = (y * real).pow(2).sum(2).sqrt()
                return self.head((y * real).sum(1) + norms.sum(1, keepdim=True))
        return self.head(y.masked_fill(~real, -torch.inf).amax(1))


class Bag(nn.Module):
    """A sum of token vectors without lengths; padding may be a vector of its own."""

    def __init__(self, *, padding_idx: int | None):
        super().__init__()
        self.embedding, self.head = nn.Embedding(V, H, padding_idx=padding_idx), nn.Linear(H, CLASSES)
        self.pad_idx = PAD

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens).sum(1))


class RawIds(nn.Module):
    """A recurrent layer over token numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(1, H, batch_first=True), nn.Linear(H, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.rnn(tokens.unsqueeze(2).to(self.head.weight.dtype))[0][:, -1])


class SelfAttention(nn.Module):
    """A classifier with attention, with positions or without."""

    def __init__(self, *, positions: bool):
        super().__init__()
        self.embedding = nn.Embedding(V, H)
        self.positions = nn.Parameter(torch.randn(100, H)) if positions else None
        self.layer = nn.TransformerEncoderLayer(H, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(H, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        x = x if self.positions is None else x + self.positions[: tokens.shape[1]]
        return self.head(self.layer(x).mean(1))


class Translator(nn.Module):
    """An encoder-decoder."""

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault
        self.source, self.target = nn.Embedding(V, H), nn.Embedding(V, H)
        self.encoder, self.decoder = nn.GRU(H, H, batch_first=True), nn.GRU(H, H, batch_first=True)
        self.head = nn.Linear(H, V)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        outputs, state = self.encoder(self.source(src))
        if self.fault == "source ignored":
            state = torch.zeros_like(state)
        if self.fault == "source cut":
            state = outputs[:, -3:-2].transpose(0, 1)
        return self.head(self.decoder(self.target(tgt), state.contiguous())[0])


class Recurrence(nn.Module):
    """A recurrence written step by step, whose gradient shrinks, grows or ends."""

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault
        self.embedding, self.recurrent, self.head = nn.Embedding(V, H), nn.Linear(H, H), nn.Linear(H, V)
        if fault == "explodes":
            with torch.no_grad():
                nn.init.eye_(self.recurrent.weight).mul_(20)

    def forward(self, tokens: Tensor) -> Tensor:
        x, outputs = self.embedding(tokens), []
        h = torch.zeros_like(x[:, 0])
        for t in range(x.shape[1]):
            z = x[:, t] + self.recurrent(h.detach() if self.fault == "cut" else h)
            h = {"sigmoid": torch.sigmoid, "explodes": torch.clone}.get(self.fault, torch.tanh)(z)
            outputs.append(self.head(h))
        return torch.stack(outputs, 1)


class Settings(nn.Module):
    """A depth that acts on nothing."""

    def __init__(self, layers: int = 1):
        super().__init__()
        self.layers = layers
        self.embedding, self.head = nn.Embedding(V, H), nn.Linear(H, V)
        self.rnn = nn.GRU(H, H, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.rnn(self.embedding(tokens))[0])


class IdleDropout(Tagger):
    """Dropout that is made and never called."""

    def __init__(self) -> None:
        super().__init__()
        self.never = nn.Dropout(0.5)


class ChangedByLoading(Tagger):
    """Loading halves a weight."""

    def load_state_dict(self, *arguments, **named):
        result = super().load_state_dict(*arguments, **named)
        with torch.no_grad():
            self.head.weight.mul_(0.5)
        return result


class OwnLoss(Tagger):
    """Computes its loss, without a shift."""

    def forward(self, tokens: Tensor, labels: Tensor | None = None):  # type: ignore[override]
        logits = super().forward(tokens)
        if labels is None:
            return logits
        return {"loss": F.cross_entropy(logits.flatten(0, 1), labels.flatten()), "logits": logits}
