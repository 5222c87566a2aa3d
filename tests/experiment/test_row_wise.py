"""SGD on used rows compared with torch's dense SGD in float64, over thousands of steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.experiment import network_experiment as experiment
from seqlab.experiment.optimizers import AdamConfig, SgdConfig
from seqlab.experiment.row_wise import WINDOW, RowWiseSgd
from seqlab.nn.embedding import Embedding
from seqlab.runs.run_folder import RunFolder

SGD = ["training.optimizer.kind=sgd", "training.optimizer.learning_rate=0.05"]
V, H = 50, 6
Batches = Callable[[int], torch.Tensor]
SETTINGS = [
    {},
    {"weight_decay": 0.01},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 1e-3},
    {"momentum": 0.9, "weight_decay": 1e-3, "nesterov": True},
    {"momentum": 0.5, "nesterov": True},
]


def rate(step: int) -> float:
    """A schedule that rises, falls, and jumps."""
    return 0.05 * (1 + math.sin(step / 40)) * (0.3 if step % 500 > 400 else 1.0) + 1e-3


def zipf(step: int) -> torch.Tensor:
    """Ids of one batch: some in most batches, some once in a thousand steps; repeated ones; never row 7."""
    random = torch.Generator().manual_seed(step)
    ids = (torch.rand(4, 3, generator=random) ** 6 * V).long()
    return torch.where(ids == 7, 8, ids)


def pull(vectors: torch.Tensor, step: int) -> torch.Tensor:
    """A loss with gradients that depend on the vectors and the step."""
    goal = torch.sin(torch.arange(H) * 0.7 + step).to(vectors.dtype)
    return (vectors - goal).square().sum()


def start() -> torch.Tensor:
    return torch.randn(V, H, generator=torch.Generator().manual_seed(5))


def dense(config: SgdConfig, steps: int, batches: Batches, factor: float = 1.0) -> torch.Tensor:
    """torch's own optimizer, every row in every step."""
    table = torch.nn.Parameter(start().double())
    optimizer = torch.optim.SGD(
        [table],
        lr=1.0,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
        foreach=False,
    )
    for step in range(steps):
        optimizer.zero_grad(set_to_none=False)
        (pull(torch.nn.functional.embedding(batches(step), table), step) * factor).backward()
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.step()
    return table.detach()


def lazy(config: SgdConfig, *, dtype: torch.dtype = torch.float32) -> tuple[Embedding, RowWiseSgd]:
    table = Embedding(V, H, _weight=start().to(dtype))
    rows = config.row_wise(table)
    assert isinstance(rows, RowWiseSgd)
    return table, rows


def advance(table: Embedding, rows: RowWiseSgd, steps: range, batches: Batches, factor: float = 1.0) -> None:
    for step in steps:
        pull(table(batches(step)), step).backward()
        rows.step(rate(step), factor)


@pytest.mark.slow
@pytest.mark.parametrize("table", SETTINGS, ids=str)
def test_equal_to_dense_steps_over_thousands(table: dict[str, float]) -> None:
    config = SgdConfig(learning_rate=1.0, **table)  # pyright: ignore[reportArgumentType]
    expected = dense(config, 2000, zipf)
    embedding, rows = lazy(config)
    advance(embedding, rows, range(2000), zipf)
    rows.flush()
    error = (embedding.weight.detach().double() - expected).norm() / expected.norm()
    assert error < 1e-6
    exact, exact_rows = lazy(config, dtype=torch.float64)
    advance(exact, exact_rows, range(2000), zipf)
    exact_rows.flush()
    assert torch.allclose(exact.weight, expected, rtol=1e-10, atol=1e-12)


def test_gradients_are_scaled_before_anything_else() -> None:
    config = SgdConfig(learning_rate=1.0, momentum=0.9, weight_decay=0.01)
    embedding, rows = lazy(config, dtype=torch.float64)
    advance(embedding, rows, range(100), zipf, factor=0.125)
    rows.flush()
    assert torch.allclose(embedding.weight, dense(config, 100, zipf, factor=0.125), rtol=1e-10)


@settings(max_examples=40)
@given(
    batches=st.lists(st.lists(st.integers(0, V - 1), min_size=0, max_size=5), min_size=1, max_size=150),
    setting=st.sampled_from(SETTINGS),
    flushed=st.integers(0, 149),
)
def test_any_sequence_of_used_rows(batches: list[list[int]], setting: dict[str, float], flushed: int) -> None:
    """Empty batches, repeated ids, rows never used; flushed once more than usual, anywhere."""
    config = SgdConfig(learning_rate=1.0, **setting)  # pyright: ignore[reportArgumentType]
    embedding, rows = lazy(config, dtype=torch.float64)
    ids = [torch.tensor(batch, dtype=torch.int64) for batch in batches]
    for step in range(len(ids)):
        advance(embedding, rows, range(step, step + 1), ids.__getitem__)
        if step == flushed:
            rows.flush()
    rows.flush()
    assert torch.allclose(embedding.weight, dense(config, len(ids), ids.__getitem__), rtol=1e-9, atol=1e-12)


def test_reading_a_row_gives_its_up_to_date_value() -> None:
    config = SgdConfig(learning_rate=1.0, momentum=0.9, weight_decay=0.01)
    embedding, rows = lazy(config, dtype=torch.float64)
    advance(embedding, rows, range(30), lambda _: torch.tensor([1]))
    advance(embedding, rows, range(30, 50), lambda _: torch.tensor([2]))
    before = embedding.weight[1].clone()
    read = embedding(torch.tensor([1]))[0].detach()
    assert not torch.allclose(before, read), "momentum has moved it since it was last used"
    assert torch.equal(embedding.weight[1], before), "reading writes nothing"
    rows.flush()
    assert torch.equal(embedding.weight[1], read)


def test_only_used_rows_are_written_until_all_are() -> None:
    embedding, rows = lazy(SgdConfig(learning_rate=1.0, weight_decay=0.01))
    before = embedding.weight.detach().clone()
    used = torch.tensor([3, 9])
    advance(embedding, rows, range(WINDOW - 1), lambda _: used)
    moved = (embedding.weight.detach() != before).any(dim=1).nonzero().squeeze(1)
    assert moved.tolist() == [3, 9]
    advance(embedding, rows, range(WINDOW - 1, WINDOW), lambda _: used)
    assert (embedding.weight.detach() != before).any(dim=1).all()


@pytest.mark.parametrize("broken", [1, 40, WINDOW, WINDOW + 1, 100])
def test_a_restored_state_continues_bit_for_bit(broken: int) -> None:
    config = SgdConfig(learning_rate=1.0, momentum=0.9, weight_decay=0.01)
    embedding, rows = lazy(config)
    advance(embedding, rows, range(broken), zipf)
    kept = rows.state()
    advance(embedding, rows, range(broken, 150), zipf)
    other, again = lazy(config)
    again.restore(kept)
    advance(other, again, range(broken, 150), zipf)
    assert torch.equal(embedding.weight, other.weight)
    for name, tensor in rows.state().items():
        assert torch.equal(tensor, again.state()[name]), name


def test_evaluation_reads_the_table_itself() -> None:
    embedding, rows = lazy(SgdConfig(learning_rate=1.0))
    ids = torch.tensor([4, 4])
    with torch.no_grad():
        assert torch.equal(embedding(ids), embedding.weight[ids])
    embedding.eval()
    embedding(ids).sum().backward()
    assert embedding.weight.grad is not None
    assert rows.gradient is None


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (SGD, None),
        ([*SGD, "training.optimizer.rows=dense"], "optimizer.rows is dense"),
        (["training.optimizer.kind=adam"], "adam moves every row in every step"),
    ],
)
def test_applies_or_reports_why_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path, settings: list[str], note: str | None
) -> None:
    tiny.register(monkeypatch)
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    monkeypatch.setattr(experiment, "MANY_ROWS", 5)
    config = tiny.configure([*tiny.REVIEWS, *settings])
    built = experiment.NetworkExperiment(config, config.data.build(), torch.device("cpu"))
    assert (built.rows is None) == (note is not None)
    assert len(built.notes) == (note is not None)
    assert all(str(note) in reported for reported in built.notes)


def test_a_tied_table_and_a_small_one_are_moved_whole(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    config = tiny.configure([*tiny.BRACKETS, *SGD])
    small = experiment.NetworkExperiment(config, config.data.build(), torch.device("cpu"))
    assert (small.rows, small.notes) == (None, ())
    monkeypatch.setattr(experiment, "MANY_ROWS", 5)
    config = tiny.configure([*tiny.BRACKETS, *SGD, "model.tied=true"])
    tied = experiment.NetworkExperiment(config, config.data.build(), torch.device("cpu"))
    assert tied.rows is None
    assert "it is tied to the output layer" in tied.notes[0]


def test_adam_has_no_row_wise_form() -> None:
    assert isinstance(AdamConfig().row_wise(Embedding(3, 2)), str)


def test_a_run_ends_with_the_weights_of_a_dense_one(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Through the loop: validation, samples, checkpoints and all."""
    tiny.register(monkeypatch)
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(experiment, "MANY_ROWS", 5)
    recipe = [
        *tiny.REVIEWS,
        *SGD,
        "training.optimizer.momentum=0.9",
        "training.optimizer.weight_decay=0.01",
        "training.clip_norm=1",
    ]
    found = [tiny.fit([*recipe, f"training.optimizer.rows={rows}"]) for rows in ("auto", "dense")]
    weights = [_weights(run) for run in found]
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], rtol=1e-5, atol=1e-6), name


def _weights(run: RunFolder) -> dict[str, torch.Tensor]:
    from seqlab.evaluate.loaded import load_run

    return dict(load_run(run).model.state_dict())
