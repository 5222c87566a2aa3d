import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.sources.tiny_shakespeare import TinyShakespeareConfig, split_text


@given(st.text())
def test_nothing_is_lost(text: str):
    parts = split_text(text)
    assert "".join(parts.values()) == text
    assert len(parts["train"]) == len(text) * 9 // 10


@pytest.mark.data
@pytest.mark.usefixtures("real_data")
def test_the_real_text():
    dataset = TinyShakespeareConfig().build()
    assert sum(len(split.text.tokens) for split in dataset.splits.values()) == 1_115_394
    vocabulary = dataset.tokenizer.vocabulary
    assert len(vocabulary) == 66  # 65 characters and the unknown one
    assert vocabulary.start == vocabulary.id("\n")
    start = dataset.splits["train"].text.tokens[:14].tolist()
    assert dataset.tokenizer.decode(start) == "First Citizen:"
