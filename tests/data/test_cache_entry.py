"""Whatever happens to a folder of the cache, the data is what it was."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqlab.data.cache_entry import SUMS, check_entry, write_entry
from seqlab.data.dataset import Dataset
from seqlab.data.fetch import cache_lock
from seqlab.data.sources.table import TableConfig
from seqlab.schema.errors import WorkError

ROWS = "text,label\n" + "".join(f"good day {i},pos\nbad day {i},neg\n" for i in range(12))


@pytest.fixture
def config(tmp_path: Path) -> TableConfig:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return TableConfig(path=str(path))


@pytest.fixture
def entry(config: TableConfig, cache: Path) -> Path:
    """The folder of the encoded table."""
    config.build()
    (folder,) = (cache / "encoded").iterdir()
    return folder


def content(dataset: Dataset) -> Any:
    splits = {
        name: (split.text.tokens.tolist(), split.text.offsets.tolist(), np.array(split.targets).tolist())
        for name, split in dataset.splits.items()
    }
    return splits, dataset.tokenizer.vocabulary, dataset.labels, dataset.limit, dataset.notes


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def test_every_flipped_bit_is_noticed(entry: Path):
    random_ = random.Random(0)
    files = sorted(entry.iterdir())
    check_entry(entry)
    for number in range(250):
        file = files[number % len(files)]
        bit = random_.randrange(8 * file.stat().st_size)
        flip(file, bit)
        with pytest.raises(ValueError, match="its files do not have their checksums"):
            check_entry(entry)
        flip(file, bit)
    check_entry(entry)


def test_a_flipped_bit_changes_nothing(config: TableConfig, entry: Path):
    expected = content(config.build())
    random_ = random.Random(1)
    for name in (
        "meta.json",
        "meta.json",
        "train.tokens.npy",
        "train.offsets.npy",
        "valid.targets.npy",
        SUMS,
    ):
        flip(entry / name, random_.randrange(8 * (entry / name).stat().st_size))
        assert content(config.build()) == expected
        check_entry(entry)


@pytest.mark.parametrize(
    "damage", ["file", "folder inside", "link inside", "pipe inside", "one too many", "deep"]
)
def test_whatever_is_wrong_with_a_folder_it_is_encoded_again(
    config: TableConfig, entry: Path, tmp_path: Path, damage: str
):
    expected = content(config.build())
    meta, tokens = entry / "meta.json", entry / "train.tokens.npy"
    match damage:
        case "file":
            shutil.rmtree(entry)
            entry.write_text("no folder")
        case "folder inside":
            meta.unlink()
            meta.mkdir()
        case "link inside":
            tokens.rename(tmp_path / "elsewhere")
            tokens.symlink_to(tmp_path / "elsewhere")
        case "pipe inside":
            tokens.unlink()
            os.mkfifo(tokens)
        case "more":
            (entry / "more.npy").write_text("")
        case _:
            meta.write_text("[" * 100_000)
    assert content(config.build()) == expected
    check_entry(entry)


def test_what_a_link_leads_to_is_never_deleted(config: TableConfig, entry: Path, tmp_path: Path, cache: Path):
    expected = content(config.build())
    mine = tmp_path / "mine"
    shutil.copytree(entry, mine)
    (mine / "meta.json").write_text("{}")
    (tmp_path / "other" / ".writing-mine").mkdir(parents=True)
    shutil.rmtree(entry)
    entry.symlink_to(mine)
    (cache / "encoded" / ".writing-link").symlink_to(tmp_path / "other")
    assert content(config.build()) == expected
    assert not entry.is_symlink()
    assert (mine / "meta.json").read_text() == "{}"
    assert (tmp_path / "other" / ".writing-mine").is_dir()
    shutil.rmtree(cache / "encoded")
    (cache / "encoded").symlink_to(tmp_path / "other")
    assert content(config.build()) == expected
    assert (tmp_path / "other" / ".writing-mine").is_dir()


def test_leftovers_are_removed_when_nobody_writes(config: TableConfig, cache: Path):
    leftover = cache / "encoded" / ".writing-table-0123-4567"
    leftover.mkdir(parents=True)
    (leftover / "train.tokens.npy").write_text("half")
    config.build()
    assert not leftover.exists()


def test_two_writers_of_one_folder_do_not_disturb_each_other(tmp_path: Path, cache: Path):
    """The second one waits, finds the folder of the first one, and keeps it."""
    folder = cache / "encoded" / "words-0"
    filling, release, filled = threading.Event(), threading.Event(), []

    def slow(path: Path) -> None:
        filling.set()
        assert release.wait(30)
        filled.append("first")
        (path / "a.txt").write_text("a")

    def second(path: Path) -> None:
        filled.append("second")

    writers = [threading.Thread(target=write_entry, args=(folder, fill)) for fill in (slow, second)]
    writers[0].start()
    assert filling.wait(30)
    writers[1].start()
    release.set()
    for writer in writers:
        writer.join(30)
    assert filled == ["first"]
    check_entry(folder)


def test_a_lock_of_another_process_is_waited_for(cache: Path):
    program = """
from seqlab.data.fetch import cache_lock
with cache_lock("x"):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "SEQLAB_CACHE": str(cache)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(WorkError, match=r"'x' is in use by another process.*It is process"),
            cache_lock("x", timeout=0.01),
        ):
            pass
        process.kill()
    with cache_lock("x", timeout=1):
        pass


@pytest.mark.parametrize(
    "changed", [ROWS.replace("good day 3", "fine day 3"), ROWS[: len(ROWS) // 2], "text\n"]
)
def test_a_source_that_changes_while_it_is_read_is_not_kept(
    config: TableConfig, cache: Path, monkeypatch: pytest.MonkeyPatch, changed: str
):
    read = TableConfig.read
    path = Path(config.path)

    def read_and_change(self: TableConfig) -> Any:
        corpus = read(self)
        path.write_text(changed)
        return corpus

    with monkeypatch.context() as patch:
        patch.setattr(TableConfig, "read", read_and_change)
        with pytest.raises(
            WorkError, match=r"'table' must not change while it is read.*Run the same command"
        ):
            config.build()
    assert not list((cache / "encoded").glob("table-*"))
    path.write_text(ROWS)
    assert "fine" not in config.build().tokenizer.vocabulary.ids


def test_the_checksums_are_those_that_other_programs_compute(entry: Path):
    for line in (entry / SUMS).read_text().splitlines():
        checksum, name = line.split("  ")
        assert checksum == hashlib.sha256((entry / name).read_bytes()).hexdigest()
    assert json.loads((entry / "meta.json").read_text())["labels"] == ["neg", "pos"]


@pytest.mark.parametrize(
    "changed",
    [
        {"limit": {"max_length": "5", "keep": "first"}},
        {"limit": {"max_length": 5, "keep": "middle"}},
        {"labels": [1, 2]},
        {"notes": "none"},
        {"running": {"train": 0, "valid": 0, "test": 0}},
        {"splits": {"train": ["tokens"]}},
        {"tokenizer": None},
        {"more": 1},
    ],
)
def test_what_has_its_checksums_but_no_sense_is_encoded_again(
    config: TableConfig, entry: Path, changed: dict[str, Any]
):
    expected = content(config.build())
    meta = entry / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | changed))
    sign(entry)
    assert content(config.build()) == expected


@pytest.mark.parametrize("name", ["train.tokens.npy", "train.offsets.npy", "train.targets.npy"])
@pytest.mark.parametrize(
    "change", [lambda array: array[:-1], lambda array: array - 9, lambda array: array * 1.5]
)
def test_arrays_that_do_not_belong_together_are_encoded_again(
    config: TableConfig, entry: Path, name: str, change: Callable[[Any], Any]
):
    expected = content(config.build())
    np.save(entry / name, change(np.load(entry / name)))
    sign(entry)
    assert content(config.build()) == expected


def sign(entry: Path) -> None:
    """Compute the checksums of a folder again."""
    files = sorted(path for path in entry.iterdir() if path.name != SUMS)
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (entry / SUMS).write_text("".join(lines))
    check_entry(entry)
