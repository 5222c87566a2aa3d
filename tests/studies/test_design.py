"""Study files: the experiments they describe, and the errors of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_studies import RATE, SMALL, small_design, write

from seqlab.runs.study_folder import Trial
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError
from seqlab.studies import design as designs
from seqlab.studies.axes import EPOCHS
from seqlab.studies.design import Design
from seqlab.studies.grid_search import grid
from seqlab.studies.run_study import begin
from seqlab.studies.study_space import StudySpace


def unadjusted(config: Any) -> Any:
    return config


def trials_of(design: Design) -> list[Trial]:
    return grid(StudySpace(design, unadjusted))


def test_a_grid_has_every_combination_with_every_seed_and_the_first_seed_comes_first() -> None:
    design = small_design(axes={"model.cell": ["lstm", "elman"], RATE: [0.1, 0.2]}, seeds=[3, 1])
    trials = trials_of(design)
    assert [trial.number for trial in trials] == list(range(1, 9))
    assert [trial.seed for trial in trials] == [3] * 4 + [1] * 4
    assert [(trial.architecture, trial.setting[RATE]) for trial in trials[:4]] == [
        ("lstm", 0.1),
        ("lstm", 0.2),
        ("elman", 0.1),
        ("elman", 0.2),
    ]
    assert len({trial.run for trial in trials}) == 8
    for trial in trials:
        assert trial.config["seed"] == trial.seed
        assert trial.config["model"]["cell"] == trial.architecture
        assert trial.config["training"]["optimizer"]["learning_rate"] == trial.setting[RATE]
        assert trial.config["data"]["train"] == 60, "the study's settings override the recipe's"


def test_axes_may_be_nested_and_settings_quoted() -> None:
    nested = small_design(axes={"training": {"optimizer": {"learning_rate": [0.01, 0.1]}}})
    assert plain(nested.experiment({RATE: 0.1}, 1)) == plain(small_design().experiment({RATE: 0.1}, 1))
    quoted = small_design(settings={"data.train": 50, "training.optimizer.kind": "sgd"})
    config = quoted.experiment({RATE: 0.1}, 1)
    assert (plain(config.data)["train"], config.training.optimizer.kind) == (50, "sgd")


def test_an_axis_of_tables_changes_the_kind() -> None:
    models = [{"kind": "transformer-lm", "hidden_size": 8, "heads": 2, "layers": 1}, {"cell": "gru"}]
    of_every_kind = {key: value for key, value in SMALL.items() if key != "model"}
    trials = trials_of(small_design(axes={"model": models}, settings=of_every_kind))
    assert [trial.architecture for trial in trials] == ["transformer-lm", "gru"]
    assert trials[0].config["model"]["hidden_size"] == 8
    assert "cell" not in trials[0].config["model"]
    with pytest.raises(UserError, match=r"There is no setting 'model\.embedding_size'"):
        trials_of(small_design(axes={"model": models}))


def test_recipes_are_an_axis_and_two_with_one_cell_are_named_by_recipe() -> None:
    bases = ["brackets-lstm", "ndfa-lstm"]
    trials = trials_of(small_design(base=None, axes={"base": bases}, settings={}))
    assert [trial.architecture for trial in trials] == bases
    assert [trial.config["data"]["kind"] for trial in trials] == ["brackets", "ndfa"]


def test_one_run_answers_for_several_epochs_where_the_schedule_does_not_depend_on_the_end() -> None:
    axes = {EPOCHS: [3, 1, 2], RATE: [0.1, 0.2]}
    trials = trials_of(small_design(axes=axes))
    assert [(trial.epochs, trial.config["training"]["epochs"]) for trial in trials] == [((1, 2, 3), 3)] * 2
    trials = trials_of(small_design(axes=axes | {"training.schedule.kind": ["linear"]}))
    assert [(trial.epochs, trial.config["training"]["epochs"]) for trial in trials] == [
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
        begin(small_design(**changes), unadjusted)


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
def test_a_wrong_study_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        small_design(**changes)


def test_a_study_is_named_after_its_file_and_finds_recipes_next_to_it(tmp_path: Path) -> None:
    write(tmp_path / "mine.toml", 'base = "brackets-lstm"\nabout = "mine"\nmodel.hidden_size = 5\n')
    file = write(tmp_path / "wide.toml", 'base = "mine.toml"\naxes.training.epochs = [1]\n')
    config = designs.read(str(file), ["seeds=4,5", "training.optimizer.learning_rate=0.5"])
    assert (config.name, config.seeds) == ("wide", (4, 5))
    experiment = designs.Design(config).experiment({}, 4)
    assert (plain(experiment.model)["hidden_size"], experiment.training.optimizer.learning_rate) == (5, 0.5)


def test_a_missing_or_damaged_study_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no study 'bracket-cells'\. Nearest: 'brackets-cells'"):
        designs.read("bracket-cells")
    with pytest.raises(UserError, match="There is no study file"):
        designs.read(str(tmp_path / "none.toml"))
    with pytest.raises(UserError, match="must be a TOML file"):
        designs.read(str(write(tmp_path / "bad.toml", "axes = [")))


@pytest.mark.parametrize("name", designs.names())
def test_every_shipped_study_states_its_question_and_expectation(name: str) -> None:
    config = designs.read(name)
    assert config.about
    assert config.expectation
    assert designs.about(name) == config.about


def test_settings_apply_to_every_kind_of_an_axis() -> None:
    data = [{"kind": "brackets"}, {"kind": "ndfa", "max_length": 10}]
    design = small_design(axes={"data": data}, settings={**SMALL, "data": {"train": 60, "max_length": 20}})
    configs = [design.experiment({"data": table}, 1).data for table in data]
    assert [(config.kind, plain(config)["train"], plain(config)["max_length"]) for config in configs] == [
        ("brackets", 60, 20),
        ("ndfa", 60, 10),
    ]
