"""Study files: what they come to, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_studies import RATE, SMALL, design, write

from seqlab.schema.config import plain
from seqlab.schema.errors import UserError
from seqlab.studies import design as designs
from seqlab.studies.axes import EPOCHS
from seqlab.studies.conduct import begin
from seqlab.studies.trials import grid


def as_it_is(config: Any) -> Any:
    return config


def test_every_combination_with_every_seed_and_a_whole_pass_with_the_first() -> None:
    work = design(axes={"model.cell": ["lstm", "elman"], RATE: [0.1, 0.2]}, seeds=[3, 1])
    found = grid(work, as_it_is)
    assert [one.number for one in found] == list(range(1, 9))
    assert [one.seed for one in found] == [3] * 4 + [1] * 4
    assert [(one.architecture, one.setting[RATE]) for one in found[:4]] == [
        ("lstm", 0.1),
        ("lstm", 0.2),
        ("elman", 0.1),
        ("elman", 0.2),
    ]
    assert len({one.run for one in found}) == 8
    for one in found:
        assert one.config["seed"] == one.seed
        assert one.config["model"]["cell"] == one.architecture
        assert one.config["training"]["optimizer"]["learning_rate"] == one.setting[RATE]
        assert one.config["data"]["train"] == 60, "the study's settings are over the recipe's"


def test_axes_may_be_nested_and_settings_quoted() -> None:
    nested = design(axes={"training": {"optimizer": {"learning_rate": [0.01, 0.1]}}})
    assert plain(nested.experiment({RATE: 0.1}, 1)) == plain(design().experiment({RATE: 0.1}, 1))
    quoted = design(settings={"data.train": 50, "training.optimizer.kind": "sgd"})
    config = quoted.experiment({RATE: 0.1}, 1)
    assert (plain(config.data)["train"], config.training.optimizer.kind) == (50, "sgd")


def test_an_axis_of_tables_changes_the_kind() -> None:
    models = [{"kind": "transformer-lm", "hidden_size": 8, "heads": 2, "layers": 1}, {"cell": "gru"}]
    of_every_kind = {key: value for key, value in SMALL.items() if key != "model"}
    found = grid(design(axes={"model": models}, settings=of_every_kind), as_it_is)
    assert [one.architecture for one in found] == ["transformer-lm", "gru"]
    assert found[0].config["model"]["hidden_size"] == 8
    assert "cell" not in found[0].config["model"]
    with pytest.raises(UserError, match=r"There is no setting 'model\.embedding_size'"):
        grid(design(axes={"model": models}), as_it_is)


def test_recipes_are_an_axis_and_two_of_one_cell_are_told_apart() -> None:
    bases = ["brackets-lstm", "ndfa-lstm"]
    found = grid(design(base=None, axes={"base": bases}, settings={}), as_it_is)
    assert [one.architecture for one in found] == bases
    assert [one.config["data"]["kind"] for one in found] == ["brackets", "ndfa"]


def test_one_run_answers_for_several_epochs_where_the_schedule_does_not_look_ahead() -> None:
    axes = {EPOCHS: [3, 1, 2], RATE: [0.1, 0.2]}
    found = grid(design(axes=axes), as_it_is)
    assert [(one.epochs, one.config["training"]["epochs"]) for one in found] == [((1, 2, 3), 3)] * 2
    found = grid(design(axes=axes | {"training.schedule.kind": ["linear"]}), as_it_is)
    assert [(one.epochs, one.config["training"]["epochs"]) for one in found] == [
        ((), e) for e in (3, 1, 2)
    ] * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axes": {"training.optimizer.learning_rat": [1]}}, "learning_rat'.*Nearest: '.*learning_rate'"),
        ({"axes": {"nonsense": [1]}}, "Axis 'nonsense'.*no setting 'nonsense'"),
        ({"axes": {RATE: ["fast"]}}, "Axis 'training.optimizer.learning_rate'.*must be.*number.*Got 'fast'"),
        ({"axes": {EPOCHS: [1, 0]}}, "Axis 'training.epochs'.*greater than or equal to 1.*Got 0"),
        ({"axes": {RATE: 0.1}}, "must be a list of values.*Got 0.1"),
        ({"axes": {RATE: []}}, r"must be a list of values.*Got \[\]"),
        ({"axes": {RATE: [0.1, 0.1]}}, "must differ from each other"),
        ({"axes": {"model": [{"cell": "lstm"}], "model.cell": ["lstm"]}}, "one axis. Got two"),
        ({"axes": {RATE: [1], "training": {"optimizer": {"learning_rate": [2]}}}}, "one axis. Got two"),
        ({"axes": {"seed": [1]}}, "Nearest: 'seeds' of the study"),
        ({"axes": {RATE: {"low": 1, "high": 2}}}, "must list its values in a grid.*random"),
        ({"axes": {RATE: {"low": 2, "high": 1}}, "search": {"kind": "random"}}, "from 'low' to a higher"),
        ({"axes": {RATE: {"low": 0, "high": 1, "log": True}}, "search": {"kind": "tpe"}}, "both above 0"),
        ({"axes": {"model.cell": ["lstn"]}}, "Axis 'model.cell'.*Nearest: 'lstm'"),
    ],
)
def test_a_wrong_axis_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        begin(design(**changes), as_it_is)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": [1, 1]}, "'seeds' must differ"),
        ({"seeds": []}, "'seeds'"),
        ({"base": None}, "'base' must be given once.*Got none"),
        ({"axes": {"base": ["ndfa-lstm"]}}, "'base' must be given once.*Got both"),
        ({"search": {"kind": "gird"}}, "There is no search 'gird'. Nearest: 'grid'"),
        ({"budget": {"equal": "time", "amount": 1}}, "'budget.equal' must be one of"),
        ({"budget": {"equal": "tokens", "amount": 0}}, "'budget.amount'"),
        ({"final": {"of": "all"}}, "'final.of' must be one of"),
        ({"expectations": "x"}, "There is no setting 'expectations'. Nearest: 'expectation'"),
    ],
)
def test_a_wrong_study_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        design(**changes)


def test_a_file_is_named_after_itself_and_names_recipes_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "mine.toml", 'base = "brackets-lstm"\nabout = "mine"\nmodel.hidden_size = 5\n')
    file = write(tmp_path / "wide.toml", 'base = "mine.toml"\naxes.training.epochs = [1]\n')
    config = designs.read(str(file), ["seeds=4,5", "training.optimizer.learning_rate=0.5"])
    assert (config.name, config.seeds) == ("wide", (4, 5))
    experiment = designs.Design(config).experiment({}, 4)
    assert (plain(experiment.model)["hidden_size"], experiment.training.optimizer.learning_rate) == (5, 0.5)


def test_what_is_no_study_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no study 'bracket-cells'\. Nearest: 'brackets-cells'"):
        designs.read("bracket-cells")
    with pytest.raises(UserError, match="There is no study file"):
        designs.read(str(tmp_path / "none.toml"))
    with pytest.raises(UserError, match="must be a TOML file"):
        designs.read(str(write(tmp_path / "bad.toml", "axes = [")))


@pytest.mark.parametrize("name", designs.names())
def test_every_shipped_study_says_what_is_asked_and_expected(name: str) -> None:
    config = designs.read(name)
    assert config.about
    assert config.expectation
    assert designs.about(name) == config.about


def test_settings_hold_for_every_kind_that_an_axis_picks() -> None:
    data = [{"kind": "brackets"}, {"kind": "ndfa", "max_length": 10}]
    work = design(axes={"data": data}, settings={**SMALL, "data": {"train": 60, "max_length": 20}})
    found = [work.experiment({"data": one}, 1).data for one in data]
    assert [(one.kind, plain(one)["train"], plain(one)["max_length"]) for one in found] == [
        ("brackets", 60, 20),
        ("ndfa", 60, 10),
    ]
