import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.batch import Batch
from seqlab.measure.contexts import OverlappingWindows
from seqlab.measure.evaluate import evaluate
from seqlab.models.model import SequenceModel
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar
from seqlab.tasks.language_model import LanguageModelTask

START = 0


def text(length: int):
    """Tokens that tell their place: 1, 2, 3, ..."""
    return np.arange(1, length + 1, dtype=np.int32)


@given(length=st.integers(0, 80), window=st.integers(2, 30), rows=st.integers(1, 7))
def test_every_token_counts_once_with_its_context(length, window, rows):
    windows = OverlappingWindows(text(length), window=window, start=START, rows=rows)
    counted = []
    for index, batch in enumerate(windows):
        kept = windows.counted(index)
        assert kept.shape == batch.tokens.shape == batch.targets.shape
        assert len(batch.tokens) <= rows
        assert batch.tokens.shape[1] == int(batch.lengths.max()) <= window
        for row, step in (kept & batch.mask).nonzero().tolist():
            target = int(batch.targets[row, step])
            inputs = batch.tokens[row, : step + 1].tolist()
            assert inputs == list(range(target - len(inputs), target))  # 0 is the start token
            assert len(inputs) - 1 <= window - 1
            assert len(inputs) - 1 >= window / 2 or inputs[0] == START
            counted.append(target)
    assert sorted(counted) == list(range(1, length + 1))


def transformer() -> SequenceModel:
    table = {"kind": "transformer-lm", "hidden_size": 8, "heads": 2, "layers": 2, "feed_forward_size": 12}
    generator = torch.Generator().manual_seed(1)
    model = parse(MODELS["transformer-lm"], table).build(vocabulary=9, outputs=9, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model.double().eval()


@pytest.mark.parametrize("window", [2, 5, 8, 100])
@pytest.mark.parametrize("rows", [1, 4, 50])
def test_loss_is_that_of_each_token_read_alone(window, rows):
    model, task = transformer(), LanguageModelTask(START, None, "test", 0.0)
    tokens = np.random.default_rng(2).integers(1, 9, 24)
    windows = OverlappingWindows(tokens, window=window, start=START, rows=rows)
    (record,) = evaluate(
        model, task, windows, split="test", metrics=["loss"], carry=False, counted=windows.counted
    )
    assert isinstance(record, Scalar)
    assert record.value == pytest.approx(loss_of_each(model, tokens.tolist(), window), rel=1e-6)


def loss_of_each(model: SequenceModel, tokens: list[int], window: int) -> float:
    """Each token by itself: its context grows from window - window // 2 + 1 inputs to the window."""
    inputs, total = [START, *tokens], 0.0
    for place, target in enumerate(tokens):
        behind = place - window
        size = place + 1 if behind < 0 else window - window // 2 + 1 + behind % (window // 2)
        read = torch.tensor([inputs[place + 1 - size : place + 1]])
        with torch.no_grad():
            logits, _ = model(Batch(read, torch.tensor([size]), read))
        total -= logits[0, -1].log_softmax(dim=-1)[target].item()
    return total / len(tokens)


def test_wrong_sizes_are_named():
    with pytest.raises(UserError, match=r"'window' must be at least 2 tokens. Got 1. Nearest: 2"):
        OverlappingWindows(text(9), window=1, start=START, rows=1)
    with pytest.raises(UserError, match=r"'rows' must be at least 1. Got 0"):
        OverlappingWindows(text(9), window=4, start=START, rows=0)
    windows = OverlappingWindows(text(9), window=4, start=START, rows=2)
    with pytest.raises(IndexError):
        windows[len(windows)]
