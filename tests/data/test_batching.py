import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.batch import Batch
from seqlab.data.batching import PackedConfig, SequenceBatching, SequencesConfig, TokensConfig
from seqlab.data.ragged import ragged
from seqlab.data.sequences import Padded, pad
from seqlab.schema.errors import UserError

LENGTHS = st.lists(st.integers(0, 30), max_size=60).map(lambda lengths: np.array(lengths, dtype=np.int64))
SEEDS = st.none() | st.integers(0, 5)
POOLS = st.integers(1, 4)
MANY = np.random.default_rng(0).integers(1, 50, size=500)


@given(LENGTHS, SEEDS, POOLS, st.integers(1, 9), st.integers(30, 90))
def test_no_example_is_lost_and_no_budget_overrun(
    lengths: np.ndarray, seed: int | None, pool: int, rows: int, tokens: int
):
    several = (
        SequencesConfig(batch_size=rows, pool=pool),
        TokensConfig(tokens=tokens, pool=pool),
        PackedConfig(tokens=tokens),
    )
    for batching in several:
        plan = batching.plan(lengths, seed)
        assert sorted(index for batch in plan for index in batch.tolist()) == list(range(len(lengths)))
        assert all(len(batch) for batch in plan)
        for batch in plan:
            if isinstance(batching, SequencesConfig):
                assert len(batch) <= rows
            elif isinstance(batching, PackedConfig):
                assert lengths[batch].sum() <= tokens
            else:
                assert len(batch) * lengths[batch].max() <= tokens


@given(LENGTHS, st.integers(1, 9), POOLS)
def test_only_one_batch_of_rows_is_partial(lengths: np.ndarray, rows: int, pool: int):
    sizes = [len(batch) for batch in SequencesConfig(batch_size=rows, pool=pool).plan(lengths, 1)]
    assert sum(size < rows for size in sizes) <= 1


@pytest.mark.parametrize(
    "batching",
    [SequencesConfig(batch_size=8, pool=4), TokensConfig(tokens=200, pool=4), PackedConfig(tokens=200)],
)
def test_the_seed_alone_decides_the_plan(batching: SequenceBatching):
    def plan(seed: int | None) -> list[list[int]]:
        return [batch.tolist() for batch in batching.plan(MANY, seed)]

    assert plan(1) == plan(1)
    assert plan(1) != plan(2)
    assert plan(None) == plan(None)


def test_without_a_seed_batches_come_by_length():
    batches = SequencesConfig(batch_size=8).plan(MANY, None)
    ordered = MANY[np.concatenate(batches)]
    assert (np.diff(ordered) >= 0).all()


def test_with_a_seed_similar_lengths_meet_in_an_order_that_is_not_theirs():
    batches = SequencesConfig(batch_size=8, pool=100).plan(MANY, 0)
    spans = [int(np.ptp(MANY[batch])) for batch in batches]
    assert np.median(spans) <= 2
    means = [MANY[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5


def test_packed_batches_are_nearly_full_and_of_mixed_lengths():
    batches = PackedConfig(tokens=200).plan(MANY, 0)
    filled = [int(MANY[batch].sum()) for batch in batches]
    assert sum(count < 150 for count in filled) <= 1
    assert np.median([np.ptp(MANY[batch]) for batch in batches]) > 20


def test_a_budget_smaller_than_a_sequence_is_refused():
    with pytest.raises(
        UserError, match=r"'batching\.tokens' must be at least the longest sequence, 49 tokens"
    ):
        TokensConfig(tokens=48).plan(np.array([3, 49]), 0)
    with pytest.raises(UserError, match=r"must be at least the longest sequence, 49 tokens"):
        PackedConfig(tokens=48).plan(np.array([3, 49]), 0)


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=6), st.data())
def test_padded_rows_are_the_sequences(sequences: list[list[int]], data: st.DataObject):
    text = ragged(sequences)
    assert [ids.tolist() for ids in text] == sequences
    rows = np.array(data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1)))
    tokens, lengths = pad(text, rows)
    assert lengths.tolist() == [len(sequences[row]) for row in rows]
    assert tokens.shape == (len(rows), max(1, *lengths, 1))
    for row, got, length in zip(rows, tokens.tolist(), lengths, strict=True):
        assert got[:length] == sequences[row]
        assert not any(got[length:])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_real_features_and_targets_are_those_without_padding(sizes: list[int]):
    lengths, steps = torch.tensor(sizes), max(1, *sizes)
    tokens = torch.arange(len(sizes) * steps).view(len(sizes), steps)
    batch = Batch(Padded(tokens, lengths), Padded(tokens + 100, lengths))
    features, targets = batch.real(tokens.unsqueeze(2).float())
    expected = [token for row, size in zip(tokens.tolist(), sizes, strict=True) for token in row[:size]]
    assert features.squeeze(1).tolist() == expected
    assert targets.tolist() == [token + 100 for token in expected]
    labelled = Batch(Padded(tokens, lengths), lengths)
    kept, labels = labelled.real(tokens.float())
    assert torch.equal(kept, tokens.float())
    assert torch.equal(labels, lengths)
