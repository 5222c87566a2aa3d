"""Every shipped recipe: it parses, says what it is, and trains a few steps in a small form."""

from __future__ import annotations

import re
from pathlib import Path

import own_files
import pytest
import tiny

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig, experiment_class
from seqlab.experiment.parameter_counts import count
from seqlab.schema.config import Table, fields, parse, plain, read_toml, to_toml
from seqlab.schema.settings import flat
from seqlab.training import run

NAMES = recipes.names()
SMALL = {"embedding_size": 8, "hidden_size": 8, "linear_size": 8, "feed_forward_size": 8, "heads": 2}
FETCHED = {"imdb", "ptb", "tiny_shakespeare"}
"""Datasets read from source files."""


def configured(name: str, folder: Path) -> AnyExperimentConfig:
    """The recipe's configuration; one for own data gets some."""
    own = name in own_files.RECIPES or name in own_files.BASELINES
    return recipes.configure(name, [own_files.write(folder, name)] if own else [])[0]


def shrunk(table: Table) -> Table:
    """The one rule that makes every recipe small: narrow layers, three steps, little to score and to sample.

    A baseline is small already, but for generated data.
    """
    known = {key for key, _ in fields(experiment_class(table), table)}
    sizes = {"train": 200, "valid": 20, "test": 20} if "data.train" in known else {}
    sizes |= {"valid_size": 200} if "data.valid_size" in known else {}
    table = {**table, "data": {**table["data"], **sizes}}
    if "baseline" in table:
        return table
    if "ensemble" in table:
        return {**table, "ensemble": {**table["ensemble"], "members": _shrunk_members(table)}}
    table |= {"model": dict(table["model"]), "training": {**table["training"], "max_steps": 3}}
    smaller = {key: value for key, value in SMALL.items() if f"model.{key}" in known}
    # A size of 0 says that there is no such part.
    table["model"] |= {key: value for key, value in smaller.items() if table["model"].get(key) != 0}
    table["training"] |= {"tensorboard": False}
    table["samples"] = {"count": 1, "max_tokens": 5}
    return table


def _shrunk_members(table: Table) -> list[str]:
    """The members of an ensemble as recipes of small forms; each is a file in the current folder."""
    small: list[str] = []
    for number, member in enumerate(table["ensemble"]["members"]):
        words = recipes.member_words(member)
        assert words is not None, "a shipped recipe names recipes"
        config, _ = recipes.configure(*words)
        Path(f"member{number}.toml").write_text(to_toml(parse(type(config), shrunk(plain(config)))), "utf-8")
        small.append(f"member{number}.toml")
    return small


ENDS = {"network": "3 steps done", "baseline": "fitted", "ensemble": "combined"}
"""How the run of a small form ends, by the method of its experiment."""


@pytest.mark.parametrize("name", NAMES)
def test_parses_and_says_what_it_is(name: str, tmp_path: Path) -> None:
    assert recipes.read(name).about
    config = configured(name, tmp_path)
    assert config.name == name
    assert parse(type(config), read_toml(to_toml(config), name)) == config


CELLS = {"elman": "Elman", "elman-concat": "Elman", "lstm": "LSTM", "gru": "GRU", "gru-reset-before": "GRU"}
RESET = {"gru": "(reset after)", "gru-reset-before": "(reset before)"}


@pytest.mark.parametrize("name", NAMES)
def test_its_description_is_that_of_its_settings(name: str, tmp_path: Path) -> None:
    about, settings = recipes.read(name).about, flat(plain(configured(name, tmp_path)))
    known = set(re.findall(r"\d+", " ".join(map(str, settings.values()))))
    if settings["data.kind"] == "adding_1997":
        known.add(str(settings["data.length"] * 11 // 10))  # of the longest example
    sentence = re.sub(r"[\d,]+ parameters", "", about)
    assert set(re.findall(r"\d+", sentence.replace(",", ""))) <= known
    if (cell := settings.get("model.cell")) and name not in own_files.RECIPES:
        layers, width = settings["model.layers"], settings["model.hidden_size"]
        assert re.search(rf"{f'{layers} x ' if layers > 1 else ''}{CELLS[cell]} {width}\b", about) or (
            f"{CELLS[cell]} {layers} x {width}" in about
        )
        assert all((words in about) == (RESET.get(cell) == words) for words in RESET.values())
    if settings.get("model.kind") == "transformer-lm":
        assert f"Transformer of {settings['model.layers']} layers of {settings['model.hidden_size']}" in about
    assert ("tied" in about) <= settings.get("model.tied", False)


COUNTED = [name for name in NAMES if "parameters" in recipes.read(name).about]


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTED)
def test_its_number_of_parameters(name: str) -> None:
    assert f" {count(name)['total']:,} parameters" in recipes.read(name).about


def _marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.data] if recipes.read(name).table["data"]["kind"] in FETCHED else []


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=_marks(name)) for name in NAMES])
def test_trains(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config = configured(name, tmp_path)
    if config.transfer is not None:
        source = configured(config.transfer.run, tmp_path)
        run.train(parse(type(source), shrunk(plain(source))), callback=tiny.Nobody())
    summary = run.train(parse(type(config), shrunk(plain(config))), callback=tiny.Nobody())
    assert summary["stopped"].startswith(ENDS[config.method])
    assert summary["metrics"]["loss"] > 0
