"""Statistics of datasets, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from seqlab.data.batching import SequencesConfig
from seqlab.data.describe import describe, padding_share
from seqlab.data.sources.brackets import BracketsConfig
from seqlab.data.sources.python_source import PythonSourceConfig


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    tiny.register(monkeypatch)


def test_padding_is_that_of_one_epoch() -> None:
    lengths = np.array([3, 0, 5, 1, 4])
    plan = [np.array([0, 1]), np.array([2, 3]), np.array([4])]
    padded = sum(int(lengths[rows].max()) - int(length) for rows in plan for length in lengths[rows])
    assert padding_share(lengths, plan) == padded / (padded + 13)


@pytest.mark.parametrize("size", [8, 32, 128])
def test_padding_of_brackets_is_that_of_their_batches(size: int) -> None:
    config = BracketsConfig(train=300, valid=5, test=5)
    lengths = np.array([len(text) for text in config.read().texts["train"]])
    shares = describe(config)["padding"][f"{size} sequences per batch"]
    for name, pool in (("similar lengths together", 100), ("any lengths together", 1)):
        batches = [
            lengths[batch] for batch in SequencesConfig(batch_size=size, pool=pool).plan(lengths, seed=0)
        ]
        padded = sum(len(batch) * batch.max() for batch in batches)
        assert shares[name] == pytest.approx(1 - lengths.sum() / padded)
    assert shares["similar lengths together"] < shares["any lengths together"]


def test_lengths_and_unknown_tokens_of_every_split() -> None:
    config = BracketsConfig(train=40, valid=9, test=3)
    content = describe(config)
    for split, texts in config.read().texts.items():
        lengths = sorted(map(len, texts))
        found = content["lengths"][split]
        assert found["median"] == np.median(lengths)
        assert found["mean"] == sum(lengths) / len(lengths)
        assert lengths[0] <= found["median"] <= found["95 %"] <= found["longest"] == lengths[-1]
        assert content["splits"][split] == {"sequences": len(texts), "tokens": sum(lengths), "unknown": 0.0}


def test_classes_and_their_shares_of_every_split() -> None:
    even = {"train": 0.5, "valid": 0.5, "test": 0.5}
    assert describe(tiny.ReviewsConfig())["classes"] == {"positive": even, "negative": even}


def test_running_text_has_no_lengths_and_no_padding() -> None:
    content = describe(PythonSourceConfig(max_bytes=20_000))
    assert (content["lengths"], content["padding"], content["classes"]) == ({}, {}, {})
    assert content["splits"]["train"]["sequences"] == 1
    assert len(content["examples"]) == 1
