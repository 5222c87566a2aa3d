"""The loss of the oracle baseline is the known floor of the data."""

from __future__ import annotations

import numpy as np
import pytest

from seqlab.baselines.baseline import FitContext
from seqlab.baselines.oracle_baseline import OracleBaselineConfig
from seqlab.data import oracle_floor
from seqlab.data.dataset import Dataset
from seqlab.data.encode import encode
from seqlab.data.sources.brackets import BracketsConfig
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.sources.ndfa import NdfaConfig
from seqlab.data.tokenizers.subwords import BpeConfig
from seqlab.schema.errors import UserError


def dataset(config: GeneratedConfig, monkeypatch, tmp_path) -> Dataset:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    found = encode(config)
    return Dataset(config.kind, found.splits, found.tokenizer, (), found.limit, "", config.about())


def losses(config: GeneratedConfig, data: Dataset, split: str) -> np.ndarray:
    context = FitContext(config, data.tokenizer, ())
    model = OracleBaselineConfig().fit(context, data.splits["train"])
    return np.concatenate([piece.nats for piece in model.score(data.splits[split], dense=False)])


@pytest.mark.parametrize(
    ("config", "rate"),
    [
        (BracketsConfig(train=50, valid=1000, test=20), BracketsConfig().language().entropy().per_token),
        (BracketsConfig(train=50, valid=1000, test=20, max_length=20), None),
        (NdfaConfig(train=50, valid=1000, test=20), NdfaConfig().language().entropy().per_token),
    ],
    ids=["brackets", "brackets-limited", "ndfa"],
)
def test_loss_is_the_floor_and_the_entropy(config: GeneratedConfig, rate, monkeypatch, tmp_path) -> None:
    data = dataset(config, monkeypatch, tmp_path)
    found = losses(config, data, "valid")
    assert len(found) == len(data.splits["valid"].text.tokens) + len(data.splits["valid"])
    assert found.mean() == pytest.approx(oracle_floor.floor(config.language(), data, "valid"), rel=1e-12)
    if rate is not None:
        # Texts are drawn independently, so the mean is within four standard errors of the rate.
        ends = np.cumsum(data.splits["valid"].text.lengths + 1) - 1
        per_text = np.diff(np.concatenate([[0.0], np.cumsum(found)[ends]]))
        off = per_text - rate * (data.splits["valid"].text.lengths + 1)
        assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))


def test_tokens_must_be_characters(monkeypatch, tmp_path) -> None:
    config = BracketsConfig(train=50, valid=1000, test=20, tokenizer=BpeConfig(size=270))
    data = dataset(config, monkeypatch, tmp_path)
    words = r"data\.tokenizer\.kind='characters', or 'whitespace' .* Got .*data\.tokenizer\.kind='bpe'"
    with pytest.raises(UserError, match=words):
        losses(config, data, "valid")
