"""Where data is does not decide an experiment, and a run finds its data again from every folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from seqlab.cli import run
from seqlab.data.data_kinds import DATASETS
from seqlab.data.locations import Location, located, without_locations
from seqlab.experiment import recipes
from seqlab.runs import run_folder
from seqlab.schema.code_settings import NamesCode
from seqlab.schema.config import parse

TEXT = "".join(f"line {number % 7} says {number % 3}.\n" for number in range(400))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is the home folder, with a text."""
    folder = tmp_path / "home"
    (folder / "sub").mkdir(parents=True)
    (folder / "book.txt").write_text(TEXT)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return folder


def trained(path: str | Path, *overrides: str) -> str:
    assert run(["train", "text-5gram", f"data.path={path}", "baseline.order=2", *overrides]) == 0
    return max(run_folder.names(), key=lambda name: (run_folder.root() / name).stat().st_mtime_ns)


def test_every_way_to_one_file_is_one_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trained("book.txt")
    for path in (home / "book.txt", "./book.txt", "sub/../book.txt", "~/book.txt"):
        trained(path)
    (home / "sub" / "moved.txt").write_text(TEXT)
    trained("sub/moved.txt")
    monkeypatch.chdir(home / "sub")
    trained("../book.txt")
    assert run_folder.names() == [first]


def test_other_content_or_another_order_is_another_run(home: Path) -> None:
    trained("book.txt")
    (home / "other.txt").write_text(TEXT.replace("line 1", "line 9"))
    trained("other.txt")
    trained("book.txt,other.txt")
    trained("other.txt,book.txt")
    assert len(run_folder.names()) == 4


def test_a_run_finds_its_data_from_another_folder(home: Path, monkeypatch, capsys) -> None:
    name = trained("book.txt")
    settings = run_folder.find(name).settings()
    assert settings["data"]["path"] == [str(home / "book.txt")]
    monkeypatch.chdir("/")
    assert run(["evaluate", name, "--split", "test", "--json"]) == 0
    capsys.readouterr()
    assert run(["train", str(run_folder.find(name).config_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == str(run_folder.root() / name)


def test_the_extension_of_a_table_decides_how_it_is_read() -> None:
    configs = [
        recipes.configure("imdb-linear", ["data.kind=table", f"data.path={name}"])[0]
        for name in ("a.csv", "b/c.CSV", "a.tsv")
    ]
    csv, other_csv, tsv = [without_locations(config.data) for config in configs]
    assert csv == other_csv != tsv


@pytest.mark.parametrize("kind", list(DATASETS))
def test_every_path_of_a_dataset_is_marked(kind: str) -> None:
    fields = DATASETS[kind].model_fields
    marked = {name for name, field in fields.items() if any(isinstance(m, Location) for m in field.metadata)}
    code = {name for name, field in fields.items() if any(isinstance(m, NamesCode) for m in field.metadata)}
    assert marked | code == {name for name in fields if name == "path" or name.endswith("_path")}


def test_settings_without_a_path_stay_as_they_are() -> None:
    config = parse(DATASETS["brackets"], {"kind": "brackets", "train": 7})
    assert without_locations(config) == located(config) == config
    table = parse(DATASETS["table"], {"kind": "table", "path": "a.csv"})
    assert located(table).path == os.path.join(os.getcwd(), "a.csv")  # noqa: PTH109, PTH118
    assert located(table).valid_path is None
