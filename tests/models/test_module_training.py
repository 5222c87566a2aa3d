"""What a module must do to be trained is tried before training, and refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqlab.models.imported_model_config import ImportedModelConfig
from seqlab.models.input_spec import InputSpec
from seqlab.schema.config import parse
from seqlab.schema.own_code import OwnCodeError

NET = """import torch
from torch import nn

class Broken(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        {backward}

class Net(nn.Module):
    def __init__(self, vocabulary, size=4):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.output = nn.Linear(size, vocabulary)
        {init}

    def forward(self, tokens):
        y = self.output(self.embedding(tokens))
        {forward}
        return y
    {further}
"""
FAULTS = {
    "init:self.output = nn.LazyLinear(vocabulary)": r"known shapes\. Got 'output\.weight' of a lazy module",
    "init:self.to('meta')": "weights with numbers. Got 'embedding.weight' on the device meta",
    "init:self.parameters = lambda: 1 / 0": r"failed while its weights were read: ZeroDiv",
    "init:self.embedding = nn.Embedding(vocabulary, size, sparse=True)": "dense gradients. Got a sparse one",
    "init:self.same = nn.Parameter(torch.zeros(1).expand(3))": "weights were saved and restored",
    "init:self.output.register_full_backward_hook(lambda *_: 1 / 0)": "gradients were computed: ZeroDiv",
    "init:torch.set_default_dtype(torch.float64)": "must not change torch's defaults",
    "forward:y = y.to('meta')": "logits on cpu, as its input is. Got meta",
    "forward:y = y * float('nan')": "finite logits. Got nan",
    "forward:y = y.detach()": "logits that depend on its parameters. Got some without a gradient",
    "forward:y = y.detach() if self.training else y": "logits that depend on its parameters",
    "forward:y = Broken.apply(y)": r"net\.py:11 failed while gradients were computed: ValueError: b\.",
    "further:def state_dict(self, *a, **k): return dict()": "tensor of each weight. Got none for 'embedding",
    "further:def state_dict(self, *a, **k): 1 / 0": "saved and restored: ZeroDiv",
    "further:def get_extra_state(self): return 1": "tensor of each weight. Got int for '_extra_state'",
    "further:def __deepcopy__(self, memo): raise ValueError": "while it was copied, to be tried: Value",
}


def build(folder: Path, **parts: str) -> None:
    text = {"init": "pass", "forward": "pass", "further": "", "backward": "raise ValueError('b')", **parts}
    (folder / "net.py").write_text(NET.format(**text))
    config = parse(ImportedModelConfig, {"kind": "import", "path": f"{folder}/net.py:Net"}, "model")
    spec = InputSpec(vocabulary=7, outputs=7, output="text")
    config.build(spec, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_module_that_cannot_be_trained_is_refused(tmp_path: Path, fault: str) -> None:
    part, _, line = fault.partition(":")
    with pytest.raises(OwnCodeError, match=FAULTS[fault]):
        build(tmp_path, **{part: line})
    assert torch.get_default_dtype() is torch.float32


def test_a_backward_that_ends_the_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OwnCodeError, match=r"net\.py:11 failed while .*: SystemExit: 0\."):
        build(tmp_path, forward="y = Broken.apply(y)", backward="raise SystemExit(0)")


@pytest.mark.parametrize(
    "init", ["self.bn = nn.BatchNorm1d(size)", "self.output.weight = self.embedding.weight"]
)
def test_what_can_be_trained_is_accepted(tmp_path: Path, init: str) -> None:
    build(tmp_path, init=init)
