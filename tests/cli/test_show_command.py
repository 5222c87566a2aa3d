"""`seqlab show`: every setting with its sentence, and files of one's own that read back the same."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import tiny

from seqlab.cli import console
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.shown_experiment import shown_recipe, shown_run
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.config import fields, plain
from seqlab.studies import design

OWN_DATA = [name for name in recipes.names() if name.startswith("text-")]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    """A file for each recipe of own data, by the kind of data."""
    lines = [f"{text} {n},{label}" for n in range(30) for text, label in (("good", 1), ("bad", 0))]
    (tmp_path / "table.csv").write_text("\n".join(["text,label", *lines]))
    (tmp_path / "book.txt").write_text("\n".join(lines) * 5)
    return {"table": str(tmp_path / "table.csv"), "text": str(tmp_path / "book.txt")}


@pytest.mark.parametrize("name", recipes.names())
def test_the_toml_of_a_recipe_reads_back_to_the_same_experiment(name: str, data, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(shown_recipe(name).toml(), encoding="utf-8")
    overrides = [f"data.path={data[recipes.read(name).table['data']['kind']]}"] if name in OWN_DATA else []
    assert recipes.configure(str(own), overrides)[0] == recipes.configure(name, overrides)[0]
    assert recipes.read(str(own)).about == recipes.read(name).about


@pytest.mark.parametrize("name", OWN_DATA)
def test_the_toml_of_a_recipe_with_its_data_has_the_sizes_chosen_from_it(name: str, data, tmp_path) -> None:
    overrides = [f"data.path={data[recipes.read(name).table['data']['kind']]}", "training.epochs=3"]
    overrides = overrides if "model" in recipes.read(name).table else overrides[:1]
    own = tmp_path / "own.toml"
    own.write_text(shown_recipe(name, overrides).toml(), encoding="utf-8")
    assert recipes.configure(str(own))[0] == recipes.configure(name, overrides)[0]
    assert not recipes.read(str(own)).sized_by_data


@pytest.mark.parametrize("name", design.names())
def test_the_toml_of_a_study_reads_back_to_the_same_study(seqlab, name: str, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    for overrides in ([], ["seeds=4,5", "samples.count=1", "budget.equal=tokens", "budget.amount=9"]):
        own.write_text(seqlab("show", name, *overrides, "--toml").out, encoding="utf-8")
        assert design.read(str(own)) == design.read(name, overrides)
    if "training" in design.read(name).axes:
        return  # no setting below an axis can be given beside it
    own.write_text(seqlab("show", name, "training.clip_norm=none", "--toml").out, encoding="utf-8")
    study = design.Design(design.read(str(own)))
    assert [study.example(one).training.clip_norm for one in study.architectures] == [None] * len(
        study.architectures
    )


def test_a_study_file_keeps_the_files_it_extends_wherever_its_copy_is(seqlab, tmp_path, monkeypatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "base.toml").write_text('base = "brackets-lstm"\nseed = 9\n')
    (tmp_path / "mine" / "study.toml").write_text('base = "base.toml"\nseeds = [1]\n')
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy.toml").write_text(seqlab("show", "mine/study.toml", "--toml").out)
    assert design.Design(design.read("copy.toml")).example({}).seed == 1
    assert design.read("copy.toml").base == str(tmp_path / "mine" / "base.toml")


def test_the_toml_of_a_run_trains_the_same_run(seqlab, language: RunFolder, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(seqlab("show", language.path.name, "--toml").out)
    result = json.loads(seqlab("train", str(own), "--json").out)
    assert result["run"] == str(language.path), "it is finished already"


def test_every_setting_of_a_recipe_is_shown_with_its_sentence_and_what_differs(seqlab) -> None:
    table = recipes.read("brackets-gru").table
    shown = json.loads(seqlab("show", "brackets-gru", "--json").out)
    rows = {row["key"]: row for row in shown["settings"]}
    assert list(rows) == [key for key, _ in fields(ExperimentConfig, table)]
    assert all(row["meaning"] for row in rows.values())
    assert shown["base"] == "brackets-lstm"
    base = recipes.read("brackets-lstm").table
    assert {key: row["base"] for key, row in rows.items() if row["differs"]} == {
        "model.cell": base["model"]["cell"]
    }
    printed = seqlab("show", "brackets-gru").out
    assert "recipe brackets-gru: balanced brackets, GRU 16" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("model.cell ")]
    assert line.split()[1:3] == ["gru", "lstm"]


def test_overrides_are_compared_with_the_recipe_and_runs_too(seqlab, language: RunFolder) -> None:
    shown = shown_recipe("brackets-gru", ["model.hidden_size=7", "training.clip_norm=none"])
    differing = {setting.key: shown.based_on(setting) for setting in shown.settings if shown.differs(setting)}
    before = recipes.configure("brackets-gru")[0]
    assert isinstance(before, ExperimentConfig)
    assert differing == {
        "model.hidden_size": plain(before.model)["hidden_size"],
        "training.clip_norm": before.training.clip_norm,
    }
    of_run = shown_run(language)
    assert of_run.base == "brackets-lstm"
    keys = {setting.key for setting in of_run.settings if of_run.differs(setting)}
    assert keys <= {item.partition("=")[0] for item in tiny.BRACKETS[1:]}
    assert {"model.hidden_size", "data.train", "training.epochs", "training.schedule.kind"} <= keys


def test_what_must_be_given_and_what_the_data_decides_is_named(seqlab) -> None:
    printed = seqlab("show", "text-lm").out
    assert "(must be given)" in printed
    assert "(is chosen from the data's size)" in printed
    keys = tomllib.loads(seqlab("show", "text-lm", "--toml").out)
    assert "path" not in keys["data"]
    assert "hidden_size" not in keys["model"]


def test_a_narrow_terminal_shows_each_setting_in_a_paragraph(seqlab, monkeypatch) -> None:
    monkeypatch.setattr(console, "_UNLIMITED", 60)
    console._console.cache_clear()
    lines = seqlab("show", "brackets-gru").out.splitlines()
    index = lines.index("model.cell = gru")
    assert lines[index + 1] == "    in brackets-lstm: lstm"
    assert lines[index + 2].startswith("    Equations of the recurrence")


def test_what_cannot_be_shown_is_refused_with_the_nearest(seqlab, refused, language: RunFolder) -> None:
    assert "no recipe, study or run 'ptb-gur'. Nearest: 'ptb-gru'" in refused("show", "ptb-gur")
    assert "no recipe file 'none.toml'" in refused("show", "none.toml")
    assert "'training.optimizer.learning_rate'" in refused("show", "ptb-gru", "lr=3")
    assert "Only settings of a recipe or study" in refused("show", language.path.name, "seed=3")
    assert "Got both '--toml' and '--json'" in refused("show", "ptb-gru", "--toml", "--json")


def test_layers_that_only_a_recipe_or_only_its_base_has_are_marked(seqlab) -> None:
    def layers(*arguments: str) -> list[list[str]]:
        lines = map(str.split, seqlab("show", *arguments).out.splitlines())
        return [line[:3] for line in lines if line and line[0].startswith("model.layers")]

    assert layers("battlefield-cnn") == [
        ["model.layers.0.kind", "convolution", "-"],
        ["model.layers.0.filters", "200", "-"],
        ["model.layers.0.widths", "3", "-"],
    ]
    assert layers("battlefield-cnn", "model.layers=[]")[-1] == ["model.layers.0", "-", "given"]
    changed = layers("battlefield-cnn", "model.layers.0.filters=9", "model.layers.1.kind=linear")
    assert changed[1] == ["model.layers.0.filters", "9", "200"]
    assert changed[3] == ["model.layers.1.kind", "linear", "-"]
    shown = json.loads(seqlab("show", "battlefield-cnn", "--json").out)
    different = {each["key"] for each in shown["settings"] if each["differs"]}
    assert "model.layers.0.kind" in different
    assert {each["base"] for each in shown["settings"] if each["key"].startswith("model.layers.0")} == {None}
    assert shown["left_out"] == []
    shown = json.loads(seqlab("show", "battlefield-cnn", "model.layers=[]", "--json").out)
    assert shown["left_out"] == ["model.layers.0"]
