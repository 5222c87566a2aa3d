"""The number of threads of a run, chosen by the size of its steps."""

from __future__ import annotations

import pytest
import torch

from seqlab.experiment import recipes, thread_choice
from seqlab.experiment.numerics import default_threads, numerics
from seqlab.experiment.thread_choice import threads_for

SMALL = ["data.train=40", "data.valid=5", "data.test=5"]


def work(*overrides: str, recipe: str = "brackets-lstm") -> tuple[float, int, int]:
    """Operations of a step in 10^9, tokens of the training split, and batches."""
    config = recipes.network(recipe, [*SMALL, *overrides])
    dataset = config.dataset()
    train = dataset.splits["train"]
    batches = config.task.build(dataset).batches(train, config.batching, None)
    return config.step_gflop(dataset), int(train.text.offsets[-1]), len(batches)


def test_operations_by_hand() -> None:
    """An LSTM from 32 to 16 has 4 x 16 x (32 + 16) weights and two biases; the output one per symbol."""
    gflop, tokens, batches = work("batching.kind=sequences", "batching.batch_size=7")
    lstm = 4 * 16 * (32 + 16) + 2 * 4 * 16
    outputs = len(recipes.network("brackets-lstm", SMALL).dataset().tokenizer.vocabulary)
    assert batches == 6
    assert gflop == pytest.approx(6e-9 * (lstm + 17 * outputs) * tokens / batches)


def test_the_table_counts_where_it_is_the_outputs_weight() -> None:
    untied, *_ = work("model.embedding_size=16")
    tied, *_ = work("model.embedding_size=16", "model.tied=true")
    assert tied == pytest.approx(untied)


def test_a_baseline_has_no_steps() -> None:
    config = recipes.configure("brackets-floor", SMALL)[0]
    assert config.step_gflop(config.dataset()) == 0


def test_small_steps_have_one_thread_and_large_ones_have_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_choice, "default_threads", lambda: 4)
    config = recipes.network("brackets-lstm", SMALL)
    dataset = config.dataset()
    gflop = config.step_gflop(dataset)
    chosen = []
    for threads_paying in (0.5, 1.5, 2.5, 3.99, 4.01, 100.0):
        monkeypatch.setattr(thread_choice, "GFLOP_PER_THREAD", gflop / threads_paying)
        chosen.append(threads_for(config, dataset, None))
    assert chosen == [1, 1, 2, 3, 4, 4]
    assert threads_for(config, dataset, 7) == 7, "as requested"


def test_shipped_recipes() -> None:
    """A small network on a formal language computes less than what two threads pay for."""
    assert work()[0] < 2 * thread_choice.GFLOP_PER_THREAD


def test_the_default_is_at_most_what_torch_was_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqlab.experiment.numerics.usable_threads", lambda: 3)
    for before, default in ((1, 1), (3, 3), (5, 3)):
        with numerics("cpu", before):
            assert default_threads() == default
            with numerics("cpu", None):
                assert torch.get_num_threads() == default
            assert torch.get_num_threads() == before
