"""One text much longer than the others needs memory for itself a few times, not for all of its tokens."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from seqlab.data import encode as encoding
from seqlab.data.dataset import Limit
from seqlab.data.ragged import Ragged, ragged
from seqlab.data.sequences import pad
from seqlab.data.tokenizers.byte_level import BytesConfig
from seqlab.data.tokenizers.tokenizer import PART
from seqlab.data.tokenizers.whitespace import WhitespaceConfig

LONG = 5_000_000
# The peak of this program's memory beyond what it needs for a small table, in bytes.
PROGRAM = """
import sys
from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.sources.table import TableConfig
from seqlab.schema.config import parse

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) << 10

def build(path):
    settings = {"kind": "table", "path": path, "max_length": 100, "keep": sys.argv[4]}
    return parse(TableConfig, {**settings, "tokenizer": {"kind": sys.argv[3]}}).build()

build(sys.argv[1])
before = peak()
dataset = build(sys.argv[2])
print(peak() - before, max(int(split.text.lengths.max()) for split in dataset.splits.values()))
"""


def write_table(path: Path, longest: int) -> None:
    letters = random.Random(0)
    words = ["".join(letters.choices("abcdefghij", k=5)) for _ in range(500)]
    lines = [" ".join(letters.choices(words, k=20)) for _ in range(100)]
    lines.append(" ".join(letters.choices(words, k=longest // 6)))
    rows = (f"{line},{index % 2}\n" for index, line in enumerate(lines))
    path.write_text(f"text,label\n{''.join(rows)}")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
@pytest.mark.parametrize(
    ("kind", "keep", "bound"),
    [("unicode-words", "first", 12), ("characters", "last", 12), ("bpe", "first", 25)],
)
def test_a_table_with_one_long_text(tmp_path: Path, kind: str, keep: str, bound: int) -> None:
    """Reading a cell takes 6 bytes for each character; as a whole, words took 20 and subwords 90.

    The library that learns subwords keeps what it is given until it has counted it.
    """
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    write_table(small, 100)
    write_table(large, LONG)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(small), str(large), kind, keep],
        env={**os.environ, "SEQLAB_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    extra, longest = map(int, done.stdout.split())
    assert longest == 100
    assert extra < bound * LONG


def _cut(tokens: list[int], limit: Limit) -> list[int]:
    if limit.max_length is None:
        return tokens
    return tokens[: limit.max_length] if limit.keep == "first" else tokens[-limit.max_length :]


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("most", [1, 2, 100, PART // 5, PART // 2, 10**9, None])
def test_kept_tokens_of_a_long_text_are_those_of_the_whole(
    most: int | None, keep: Literal["first", "last"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    text = " ".join(str(number % 997) for number in range(PART // 2))
    assert len(text) > PART
    limit = Limit(most, keep)
    for tokenizer in (WhitespaceConfig().train([text]), BytesConfig().train([text])):
        found = encoding._encoded(["12 3", text, "", "45"], tokenizer, limit, lambda texts: None)
        whole = [tokenizer.encode(one) for one in ("12 3", text, "", "45")]
        wanted = [_cut(tokens, limit) for tokens in whole]
        alone = encoding._encoded([text], tokenizer, limit, lambda texts: None)
        assert [tokens.tolist() for tokens in found] == wanted
        assert alone[0].tolist() == wanted[1]


def test_tokens_after_the_last_kept_one_are_not_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    text = "ab " * PART
    tokenizer, characters = WhitespaceConfig().train([text]), list[int]()
    encode = tokenizer.encode_batch

    def counted(texts):
        characters.append(sum(map(len, texts)))
        return encode(texts)

    monkeypatch.setattr(tokenizer, "encode_batch", counted)
    encoding._encoded([text], tokenizer, Limit(10, "first"), lambda texts: None)
    assert sum(characters) <= PART + 3


def test_texts_are_encoded_in_groups_of_bounded_size() -> None:
    texts = ["a" * length for length in (1, 2, encoding.CHARACTERS, 3, encoding.CHARACTERS + 1, 4, 5)]
    groups = list(encoding._chunks(texts))
    assert [text for group in groups for text in group] == texts
    for group in groups:
        assert len(group) == 1 or sum(map(len, group)) <= encoding.CHARACTERS
    many = list(encoding._chunks(["a"] * (2 * encoding.CHUNK + 1)))
    assert list(map(len, many)) == [encoding.CHUNK, encoding.CHUNK, 1]
    assert list(encoding._chunks([])) == []


def test_padding_needs_no_more_than_the_batch_and_its_mask() -> None:
    rows = [np.arange(200_000, dtype=np.int32), *(np.arange(n, dtype=np.int32) for n in range(40))]
    text, order = ragged(rows), np.arange(41)[::-1].copy()
    tracemalloc.start()
    try:
        tokens, lengths = pad(text, order)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.25 * tokens.nbytes
    assert tokens.dtype == np.int64
    for row, index in enumerate(order.tolist()):
        assert tokens[row, : lengths[row]].tolist() == rows[index].tolist()
        assert not tokens[row, lengths[row] :].any()


def test_padding_of_nothing() -> None:
    empty = Ragged(np.zeros(0, np.int32), np.zeros(3, np.int64))
    tokens, lengths = pad(empty, np.array([1, 0]))
    assert (tokens.tolist(), lengths.tolist()) == ([[0], [0]], [0, 0])
    assert pad(empty, np.zeros(0, np.int64))[0].shape == (0, 1)
