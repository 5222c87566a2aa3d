"""Teacher-forced and free-running losses, against reading the whole prefix of a window at each step."""

from __future__ import annotations

import statistics
from collections import defaultdict

import pytest
import torch
from torch.nn import functional

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.batches import Batches
from seqlab.data.sequences import Padded
from seqlab.measure import free_running
from seqlab.measure.diagnosis import DiagnosedSplit
from seqlab.measure.free_running import SEED, diagnose, free_running_nats
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.models.model_config import ModelConfig
from seqlab.models.recurrent_language_model import RecurrentLanguageModelConfig
from seqlab.models.transformer_language_model import TransformerLanguageModelConfig
from seqlab.schema.records import Curve
from seqlab.tasks.language_modelling import LanguageModelTask

V = 7
LM = LanguageModelTask(1, 2)
UNREAD = frozenset({0, 1, 2})
MODELS: dict[str, ModelConfig] = {
    "lstm": RecurrentLanguageModelConfig(
        embedding_size=4, hidden_size=5, layers=2, dropout=0.5, init_range=1
    ),
    "transformer": TransformerLanguageModelConfig(
        hidden_size=8, layers=2, heads=2, feed_forward_size=6, dropout=0.5, init_range=1
    ),
}


class Given(Batches):
    """Batches as they are given."""

    def __init__(self, batches: list[Batch]):
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def batch(self, index: int) -> Batch:
        return self._batches[index]


def built(name: str) -> SequenceModel:
    return MODELS[name].build(InputSpec(vocabulary=V, outputs=V), torch.Generator().manual_seed(5)).double()


def windows(count: int, lengths: list[int]) -> list[Batch]:
    random = torch.Generator().manual_seed(4)
    found = []
    for _ in range(count):
        tokens = torch.randint(V, (len(lengths), max(lengths) + 1), generator=random)
        sizes = torch.tensor(lengths)
        found.append(Batch(Padded(tokens[:, :-1], sizes), Padded(tokens[:, 1:], sizes)))
    return found


@torch.no_grad()
def one_by_one(model: SequenceModel, batch: Batch, generator: torch.Generator, *, free: bool) -> list[float]:
    """The nats of a batch of one window: at each step the whole prefix is read from its beginning."""
    (length,) = batch.inputs.lengths.tolist()
    true, targets = batch.inputs.tokens[0].tolist(), batch.target_values[0].tolist()
    read, nats = true[:1], []
    for t in range(length):
        prefix = torch.tensor([read])
        logits = model(unlabelled(Padded(prefix, torch.tensor([len(read)]))))[0][0, -1]
        nats.append(-functional.log_softmax(logits, dim=0)[targets[t]].item())
        drawn = logits.clone()
        drawn[sorted(UNREAD)] = -torch.inf
        own = torch.multinomial(drawn.softmax(0).unsqueeze(0), 1, generator=generator).item()
        if t + 1 < length:
            read.append(int(own) if free else true[t + 1])
    return nats


@pytest.mark.parametrize("name", list(MODELS))
def test_means_and_errors_of_windows_one_by_one(name: str) -> None:
    model, given = built(name), windows(6, [8])
    model.eval()
    records = diagnose(model.train(), LM, DiagnosedSplit("valid", given[0], Given(given), UNREAD)).records
    assert model.training
    curves = {record.name: record for record in records if isinstance(record, Curve)}
    model.eval()
    for mode in ("teacher_forced", "free_running"):
        by_position: dict[int, list[float]] = defaultdict(list)
        generator = torch.Generator().manual_seed(SEED)
        for batch in given:
            for position, nats in enumerate(one_by_one(model, batch, generator, free=mode == "free_running")):
                by_position[position].append(nats)
        loss = curves[f"{mode}_loss_per_position"]
        assert loss.x == tuple(range(1, 9))
        assert loss.y == pytest.approx([statistics.mean(v) for v in by_position.values()], rel=1e-9)
        errors = [statistics.stdev(v) / 6**0.5 for v in by_position.values()]
        assert curves[f"{mode}_loss_per_position_standard_error"].y == pytest.approx(errors, rel=1e-7)
        assert set(curves[f"{mode}_loss_per_position_targets"].y) == {6}
    both = (curves[f"{mode}_loss_per_position"].y for mode in ("teacher_forced", "free_running"))
    teacher, free = both
    assert teacher[0] == pytest.approx(free[0], rel=1e-12)
    assert teacher[1:] != pytest.approx(free[1:])


@pytest.mark.parametrize("name", list(MODELS))
def test_a_batch_is_its_rows_where_nothing_is_left_to_chance(name: str) -> None:
    model = built(name).eval()
    for parameter in model.head.parameters():
        parameter.data.mul_(1e6)
    (batch,) = windows(1, [8, 3, 5])
    with torch.no_grad():
        whole = free_running_nats(model, batch, UNREAD, torch.Generator().manual_seed(9))
        for row, length in enumerate([8, 3, 5]):
            one = batch.select(torch.tensor([row]))
            alone = free_running_nats(model, one, UNREAD, torch.Generator().manual_seed(1))
            torch.testing.assert_close(whole[row, :length], alone[0], rtol=1e-9, atol=1e-6)


def test_tokens_that_are_never_read_are_never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built("lstm").eval()
    read: list[int] = []
    step = type(model).step
    monkeypatch.setattr(
        type(model), "step", lambda self, x, s: (read.extend(x.tolist()), step(self, x, s))[1]
    )
    (batch,) = windows(1, [30, 30, 30])
    with torch.no_grad():
        free_running_nats(model, batch, UNREAD, torch.Generator().manual_seed(1))
    assert set(read[3:]) == set(range(V)) - UNREAD


def test_of_many_batches_some_at_equal_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_running, "MOST_TOKENS", 16)
    given = windows(6, [8])
    records = diagnose(built("lstm"), LM, DiagnosedSplit("valid", given[0], Given(given), UNREAD)).records
    targets = next(r for r in records if r.name == "free_running_loss_per_position_targets")
    assert isinstance(targets, Curve)
    assert set(targets.y) == {2}
    again = diagnose(
        built("lstm"), LM, DiagnosedSplit("valid", given[0], Given([given[1], given[4]]), UNREAD)
    )
    assert again.records == records
