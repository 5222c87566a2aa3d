from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.sources.python_source import PythonSourceConfig, SourceText, collect, split_files
from seqlab.schema.errors import UserError


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "lib"
    for name in ("a", "b", "c", "pkg/d", "test/left_out", "site-packages/x/left_out", "pkg/tests/left_out"):
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n" * 10)
    (folder / "latin.py").write_bytes(b"# caf\xe9\n")
    (folder / "empty.py").touch()
    (folder / "data.txt").write_text("no source")
    return folder


def names(folder: Path, *, max_bytes: int = 10_000, seed: int = 0) -> list[str]:
    return [file.name for file in collect(folder, max_bytes=max_bytes, seed=seed)]


def test_only_source_files_that_are_utf8(library: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO"):
        assert sorted(names(library)) == ["a.py", "b.py", "c.py", "pkg/d.py"]
    assert "4 of 6 files taken, 1 skipped: not UTF-8." in caplog.text


def test_the_order_depends_on_the_seed(library: Path):
    assert names(library) == names(library)
    assert len({tuple(names(library, seed=seed)) for seed in range(10)}) > 1


def test_no_more_than_max_bytes(library: Path):
    files = collect(library, max_bytes=170, seed=0)
    assert len(files) == 3
    assert sum(len(file.text) for file in files) <= 170


def test_too_few_files_are_an_error(library: Path):
    with pytest.raises(
        UserError, match=r"at least 3 \.py files\. Got 100, enough for \d of the 6 files in .*lib"
    ):
        collect(library, max_bytes=100, seed=0)


@given(st.lists(st.integers(1, 50), min_size=3, max_size=30))
def test_every_file_is_in_one_split_and_none_is_empty(sizes: list[int]):
    files = [SourceText(str(i), chr(100 + i) * size) for i, size in enumerate(sizes)]
    parts = split_files(files)
    assert list(parts) == ["train", "valid", "test"]
    assert all(parts.values())
    assert sorted(text for texts in parts.values() for text in texts) == sorted(file.text for file in files)


def test_the_running_pythons_library():
    dataset = PythonSourceConfig(max_bytes=200_000).build()
    sizes = {name: len(split.text.tokens) for name, split in dataset.splits.items()}
    assert 150_000 < sum(sizes.values()) <= 200_000 + 100
    assert sizes["train"] > 0.5 * sum(sizes.values())
    assert dataset.content_hash == PythonSourceConfig(max_bytes=200_000).content_hash()
    assert dataset.content_hash != PythonSourceConfig(max_bytes=200_000, seed=1).content_hash()
    text = dataset.tokenizer.decode(dataset.splits["train"].text.tokens.tolist())
    assert "import " in text
