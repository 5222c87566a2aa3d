"""Parameters and settings that nothing uses. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial

import torch
from cases.making import SETTING, UNUSED, Language, fault, text
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    numbers,
    translated,
)
from cases.training_laws import (
    every_submodule_called,
    parameters_learn,
    parameters_used,
    setting_acts,
    weights_are_state,
)
from torch import Tensor, nn


class CopiedLayer(nn.Module):
    """The layer that a stack of copies was made from is registered too."""

    def __init__(self):
        super().__init__()
        self.encoder_layer = nn.TransformerEncoderLayer(FEATURES - 1, 2, 8, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(self.encoder_layer, 2)
        self.positions = nn.Parameter(torch.randn(64, FEATURES - 1))
        self.head = nn.Linear(FEATURES - 1, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x + self.positions[: x.shape[1]]).mean(dim=1))


class LayersInAList(nn.Module):
    """Layers in a Python list are not registered: they are neither trained nor saved."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE).double()
        self.layers = [nn.GRU(SIZE, SIZE, batch_first=True).double() for _ in range(2)]
        self.head = nn.Linear(SIZE, VOCABULARY).double()

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x)[0]
        return self.head(x)


class ForgottenLayer(Language):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(SIZE, SIZE)


class WrongVariable(nn.Module):
    """The second layer reads what the first one read."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(FEATURES, SIZE, 1), nn.Conv1d(FEATURES, SIZE, 1)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        y = self.first(x).relu()
        y = self.second(x).relu()
        return self.head(y.mean(dim=2))


class DetachedEncoder(nn.Module):
    """The encoder's state is detached: the encoder is never trained."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        _, state = self.encoder(self.source(src))
        return self.head(self.decoder(self.target(tgt), state.detach())[0])


class ZeroTwice(Language):
    """A gate of zero on a branch that ends in zeros: neither ever gets a gradient."""

    def __init__(self):
        super().__init__()
        self.gate, self.branch = nn.Parameter(torch.zeros(())), nn.Linear(SIZE, SIZE)
        nn.init.zeros_(self.branch.weight)
        nn.init.zeros_(self.branch.bias)

    def features(self, tokens: Tensor) -> Tensor:
        x = super().features(tokens)
        return x + self.gate * self.branch(x)


class UnusedDropout(Language):
    """A rate of dropout that no forward pass reads."""

    def __init__(self, dropout: float = 0.5):
        super().__init__()
        self.dropout = nn.Dropout(dropout)


class UnusedDepth(nn.Module):
    """A number of layers that is stored and never used."""

    def __init__(self, hidden_size: int = SIZE, num_layers: int = 3):
        super().__init__()
        self.num_layers = num_layers
        self.embedding = nn.Embedding(VOCABULARY, hidden_size)
        self.lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[1][0][-1])


class UnusedActivation(nn.Module):
    """The final activation that a setting asks for is left out."""

    def __init__(self, final_activation: bool = True):
        super().__init__()
        self.final_activation = final_activation
        self.convolution, self.head = nn.Conv1d(FEATURES, SIZE, 3, padding=1), nn.Linear(SIZE, CLASSES)
        self.activation = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.convolution(x.transpose(1, 2)).mean(dim=2))


CASES = [
    text(
        "layer-registered-besides-its-copies",
        UNUSED,
        "oliverguhr/transformer-time-series-prediction#13",
        "the stack works with copies of the layer; the original is a parameter without a gradient",
        CopiedLayer,
        parameters_used,
        batch=partial(numbers, features=FEATURES - 1),
    ),
    fault(
        "layers-in-a-list",
        UNUSED,
        "pytorch/pytorch#59925",
        "layers in a Python list are not trained, moved or saved",
        LayersInAList,
        weights_are_state,
    ),
    fault(
        "layer-never-called",
        UNUSED,
        "inria-thoth/HySUPP#3",
        "a layer is built, and left out of the forward pass",
        ForgottenLayer,
        parameters_used,
    ),
    text(
        "layer-result-overwritten",
        UNUSED,
        "meta-pytorch/opacus#502",
        "a layer whose result is not used gets no gradient",
        WrongVariable,
        parameters_used,
        batch=numbers,
    ),
    fault(
        "encoder-detached",
        UNUSED,
        "lucidrains/CoCa-pytorch#6",
        "features are detached, so that no gradient reaches the encoder",
        DetachedEncoder,
        parameters_used,
        task="translate",
        batch=translated,
    ),
    fault(
        "gate-and-branch-both-zero",
        UNUSED,
        "lucidrains/performer-pytorch#28",
        "both factors of a product are zero, so both gradients are, for good",
        ZeroTwice,
        parameters_learn,
    ),
    fault(
        "dropout-never-applied",
        SETTING,
        "lucidrains/DALLE-pytorch#57",
        "a setting that is stored, made into a layer and never used",
        UnusedDropout,
        every_submodule_called,
        mistakes=(12,),
    ),
    text(
        "number-of-layers-ignored",
        SETTING,
        "wjko2/Domain-Agnostic-Sentence-Specificity-Prediction#13",
        "the number of layers is read from the settings, and 1 is written in the code",
        UnusedDepth,
        setting_acts(num_layers=2),
        mistakes=(12,),
    ),
    text(
        "final-activation-ignored",
        SETTING,
        "sinzlab/neuralpredictors#159",
        "the argument for the final nonlinearity has no effect",
        UnusedActivation,
        setting_acts(final_activation=False),
        batch=numbers,
        mistakes=(12,),
    ),
]
