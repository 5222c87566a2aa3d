import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.batch import unlabelled
from seqlab.data.batches import OverlappingWindows
from seqlab.data.sequences import Padded
from seqlab.measure.evaluate import evaluate
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar
from seqlab.tasks.language_modelling import LanguageModelTask

START = 0


def text(length: int):
    """Each token is its position: 1, 2, 3, ..."""
    return np.arange(1, length + 1, dtype=np.int32)


@given(length=st.integers(0, 80), window=st.integers(2, 30), rows=st.integers(1, 7))
def test_every_token_counts_once_with_its_context(length, window, rows):
    windows = OverlappingWindows(text(length), window=window, start=START, batch_size=rows)
    counted = []
    for index, batch in enumerate(windows):
        kept = windows.counted(index)
        assert kept.shape == batch.inputs.tokens.shape == batch.target_values.shape
        assert len(batch) <= rows
        assert batch.inputs.steps == int(batch.inputs.lengths.max()) <= window
        assert torch.equal(batch.target_mask, batch.inputs.mask)
        for row, step in (kept & batch.target_mask).nonzero().tolist():
            target = int(batch.target_values[row, step])
            inputs = batch.inputs.tokens[row, : step + 1].tolist()
            assert inputs == list(range(target - len(inputs), target))  # 0 is the start token
            assert len(inputs) - 1 <= window - 1
            assert len(inputs) - 1 >= window / 2 or inputs[0] == START
            counted.append(target)
    assert sorted(counted) == list(range(1, length + 1))


def transformer() -> SequenceModel:
    table = {"kind": "transformer-lm", "hidden_size": 8, "heads": 2, "layers": 2, "feed_forward_size": 12}
    generator = torch.Generator().manual_seed(1)
    model = parse(MODELS["transformer-lm"], table).build(InputSpec(vocabulary=9, outputs=9), generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model.double().eval()


@pytest.mark.parametrize("window", [2, 5, 8, 100])
@pytest.mark.parametrize("rows", [1, 4, 50])
def test_loss_is_that_of_each_token_read_alone(window, rows):
    model, task = transformer(), LanguageModelTask(START, None)
    tokens = np.random.default_rng(2).integers(1, 9, 24)
    windows = OverlappingWindows(tokens, window=window, start=START, batch_size=rows)
    assert not windows.carried
    (record,) = evaluate(model, task, windows, split="test", metrics=["loss"])
    assert isinstance(record, Scalar)
    assert record.value == pytest.approx(loss_of_each(model, tokens.tolist(), window), rel=1e-6)


def loss_of_each(model: SequenceModel, tokens: list[int], window: int) -> float:
    """Each token by itself: its context grows from window - window // 2 + 1 inputs to the window."""
    inputs, total = [START, *tokens], 0.0
    for position, target in enumerate(tokens):
        after = position - window
        size = position + 1 if after < 0 else window - window // 2 + 1 + after % (window // 2)
        read = torch.tensor([inputs[position + 1 - size : position + 1]])
        with torch.no_grad():
            logits, _ = model(unlabelled(Padded(read, torch.tensor([size]))))
        total -= logits[0, -1].log_softmax(dim=-1)[target].item()
    return total / len(tokens)


def test_wrong_sizes_are_named():
    with pytest.raises(UserError, match=r"'window' must be at least 2 tokens. Got 1. Nearest: 2"):
        OverlappingWindows(text(9), window=1, start=START, batch_size=1)
    with pytest.raises(UserError, match=r"'batch_size' must be at least 1. Got 0"):
        OverlappingWindows(text(9), window=4, start=START, batch_size=0)
    windows = OverlappingWindows(text(9), window=4, start=START, batch_size=2)
    with pytest.raises(IndexError):
        windows[len(windows)]
