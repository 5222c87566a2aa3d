"""Study files: the experiments they describe, and the errors of wrong ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from small_studies import RATE, SMALL, small_design, write

from seqlab.runs.study_records import Trial
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError
from seqlab.studies import design as designs
from seqlab.studies.axes import EPOCHS
from seqlab.studies.design import Design
from seqlab.studies.grid_search import grid
from seqlab.studies.lost_settings import lost_settings, size_differences
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


LAYERS: dict[str, Any] = {
    "base": "battlefield-cnn",
    "settings": {"model": {"layers": {"0": {"widths": [2]}}}},
    "axes": {"model": {"layers": {"0": {"filters": [4, 8]}}}},
    "name": "layers",
}


def test_axes_and_settings_reach_into_lists_of_tables() -> None:
    design = Design(designs.read(LAYERS, ["model.layers.1.kind=max-pool", "model.layers.1.width=3"]))
    assert [
        plain(design.experiment(trial.setting, 1).model)["layers"] for trial in trials_of(design)[:2]
    ] == [
        [{"kind": "convolution", "filters": filters, "widths": [2]}, {"kind": "max-pool", "width": 3}]
        for filters in (4, 8)
    ]
    assert trials_of(design)[0].label == "sequential-classifier filters=4, seed 1"
    with pytest.raises(
        UserError, match=r"'model.layers' must be a list of tables, numbered from 0 without gaps"
    ):
        Design(designs.read({**LAYERS, "axes": {"model.layers.4.filters": [4, 8]}})).check()
    with pytest.raises(UserError, match="must not be one of its axes"):
        designs.read(LAYERS, ["model.layers.0.filters=9"])


def test_an_axis_may_have_lists_of_tables() -> None:
    first = {"kind": "convolution", "filters": 4, "widths": [3]}
    layers = [[first], [first, {"kind": "max-pool", "width": 5}], []]
    design = Design(designs.read({**LAYERS, "settings": {}, "axes": {"model.layers": layers}, "seeds": [1]}))
    trials = trials_of(design)
    assert [trial.config["model"]["layers"] for trial in trials] == layers
    assert [trial.label for trial in trials] == [
        "sequential-classifier layers=convolution filters=4 widths=3, seed 1",
        "sequential-classifier layers=convolution filters=4 widths=3; max-pool width=5, seed 1",
        "sequential-classifier layers=[], seed 1",
    ]


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


def optimizer_recipes(folder: Path) -> list[str]:
    """Recipes of two architectures: two optimizers and a wide net of the first one, one of the second."""
    settings = {
        "lstm-sgd": '[training.optimizer]\nkind = "sgd"\nlearning_rate = 1.0\n',
        "lstm-adam": '[training.optimizer]\nkind = "adam"\nlearning_rate = 0.01\n',
        "lstm-wide": '[model]\nhidden_size = 9\n[training.optimizer]\nkind = "adam"\nlearning_rate = 0.01\n',
        "gru-sgd": '[model]\ncell = "gru"\n[training.optimizer]\nkind = "sgd"\nlearning_rate = 1.0\n',
    }
    return [
        str(write(folder / f"{name}.toml", f'base = "brackets-lstm"\n{text}'))
        for name, text in settings.items()
    ]


def test_recipes_of_architectures_with_several_optimizers_are_settings_of_these(tmp_path: Path) -> None:
    bases = optimizer_recipes(tmp_path)
    trials = trials_of(small_design(base=None, axes={"base": bases}, settings={}))
    assert [(trial.architecture, dict(trial.setting)) for trial in trials] == [
        ("lstm", {"base": "lstm-sgd"}),
        ("lstm", {"base": "lstm-adam"}),
        ("lstm", {"base": "lstm-wide"}),
        ("gru", {}),
    ]
    assert [trial.config["training"]["optimizer"]["kind"] for trial in trials] == [
        "sgd",
        *["adam"] * 2,
        "sgd",
    ]
    assert len({trial.run for trial in trials}) == 4


def test_recipes_are_architectures_where_one_architecture_or_one_optimizer_is_all(tmp_path: Path) -> None:
    lstm_sgd, lstm_adam, lstm_wide, gru_sgd = optimizer_recipes(tmp_path)
    for bases in ([lstm_sgd, lstm_adam], [lstm_adam, lstm_wide, gru_sgd]):
        trials = trials_of(small_design(base=None, axes={"base": bases}, settings={}))
        assert [trial.architecture for trial in trials] == bases
    drawn = {"kind": "random", "trials": 1, "confirm": 1}
    design = small_design(
        base=None, axes={"base": [lstm_sgd, lstm_adam, gru_sgd], RATE: [0.1, 0.2]}, settings={}, search=drawn
    )
    assert len({design.name_of(each) for each in design.architectures}) == 3


def test_recipes_of_one_name_keep_their_paths(tmp_path: Path) -> None:
    bases = optimizer_recipes(tmp_path)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "lstm-sgd.toml"
    write(other, 'base = "brackets-lstm"\n[training.optimizer]\nkind = "sgd"\nlearning_rate = 3.0\n')
    trials = trials_of(small_design(base=None, axes={"base": [*bases, str(other)]}, settings={}))
    assert [trial.setting["base"] for trial in trials if trial.architecture == "lstm"] == [
        *bases[:3],
        str(other),
    ]


def test_one_run_answers_for_several_epochs_where_the_schedule_does_not_depend_on_the_end() -> None:
    axes = {EPOCHS: [3, 1, 2], RATE: [0.1, 0.2]}
    trials = trials_of(small_design(axes=axes))
    assert [(trial.epochs, trial.config["training"]["epochs"]) for trial in trials] == [((1, 2, 3), 3)] * 2
    trials = trials_of(small_design(axes=axes | {"training.schedule.kind": ["linear"]}))
    assert [(trial.epochs, trial.config["training"]["epochs"]) for trial in trials] == [
        ((), e) for e in (3, 1, 2)
    ] * 2


def test_an_axis_gives_a_setting_that_has_no_default() -> None:
    settings = {**SMALL, "data": {"kind": "tomita", "train": 20, "max_length": 20}}
    design = small_design(settings=settings, axes={"data.number": [1, 2], "model.cell": ["lstm", "gru"]})
    begin(design, unadjusted)
    numbers = [(trial.architecture, trial.config["data"]["number"]) for trial in trials_of(design)]
    assert numbers == [("lstm", 1), ("lstm", 2), ("gru", 1), ("gru", 2)]
    with pytest.raises(UserError, match=r"Axis 'data.number': 'data.number' must be .*Got 9"):
        begin(small_design(name="wrong", settings=settings, axes={"data.number": [1, 9]}), unadjusted)
    with pytest.raises(UserError, match=r"Study 'without': 'data.number' must be given"):
        begin(small_design(name="without", settings=settings), unadjusted)


def test_architectures_of_one_kind_are_named_by_their_settings() -> None:
    models = [{"kind": "recurrent-lm", "hidden_size": size} for size in (4, 5)]
    trials = trials_of(small_design(axes={"model": models}))
    names = [trial.architecture for trial in trials]
    assert names == ["recurrent-lm hidden_size=4", "recurrent-lm hidden_size=5"]
    without_kind = [{"cell": "gru", "hidden_size": size} for size in (4, 5)]
    trials = trials_of(small_design(name="without-kind", axes={"model": without_kind}))
    assert [trial.architecture for trial in trials] == ["hidden_size=4", "hidden_size=5"]


def test_an_implementation_is_an_architecture_of_its_own() -> None:
    axes = {"model.cell": ["elman", "gru"], "model.implementation": ["kernels", "torch"]}
    names = [trial.architecture for trial in trials_of(small_design(axes=axes))]
    assert names == ["elman, kernels", "elman, torch", "gru, kernels", "gru, torch"]


def test_none_is_a_value_of_settings_that_may_be_none() -> None:
    clipped = {**SMALL, "training": {**SMALL["training"], "clip_norm": 5.0}}
    trials = trials_of(small_design(settings=clipped, axes={"training.clip_norm": ["none", 1.0]}))
    assert [trial.setting["training.clip_norm"] for trial in trials] == ["none", 1.0]
    assert [trial.config["training"].get("clip_norm") for trial in trials] == [None, 1.0]
    with pytest.raises(UserError, match=r"Axis 'training.epochs'.*Got 'none'"):
        begin(small_design(axes={EPOCHS: ["none"]}), unadjusted)


def test_settings_that_another_kind_drops_are_reported(tmp_path: Path) -> None:
    models = [{"kind": "transformer-lm", "heads": 2}, {"cell": "gru"}, {"kind": "recurrent-lm", "layers": 2}]
    without = {key: value for key, value in SMALL.items() if key != "model"}
    (sentence,) = lost_settings(small_design(axes={"model": models}, settings=without))
    assert sentence.startswith(
        "transformer-lm is of another kind than in brackets-lstm and does not keep its settings: "
    )
    assert "model.hidden_size=512 instead of 16" in sentence
    assert "heads" not in sentence
    kept = small_design(axes={"model": models}, settings={**without, "model": {"hidden_size": 16}})
    assert "hidden_size" not in "".join(lost_settings(kept))
    recipe = write(tmp_path / "mine.toml", 'base = "brackets-lstm"\ndata.train = 100\n')
    axes = {"data.kind": ["brackets", "ndfa"]}
    (data,) = lost_settings(small_design(base=str(recipe), axes=axes, settings={"data.valid": 50}))
    assert data.startswith("data.kind=ndfa is of another kind than in mine")
    assert "data.train=140000 instead of 100" in data
    assert "data.valid" not in data
    assert lost_settings(small_design()) == []


BIG = {**SMALL, "model": {"embedding_size": 8, "hidden_size": 40}}


def test_settings_that_a_kind_cannot_have_are_reported(tmp_path: Path) -> None:
    recipe = write(
        tmp_path / "mine.toml",
        'base = "brackets-lstm"\nmodel.dropout = 0.4\nmodel.tied = true\nmodel.embedding_size = 16\n'
        "model.forget_bias = 0.5\n",
    )
    models = [{"cell": "lstm"}, {"kind": "transformer-lm", "heads": 2, "hidden_size": 16, "layers": 1}]
    (sentence,) = lost_settings(small_design(base=str(recipe), axes={"model": models}, settings={}))
    assert "model.dropout=0.1 instead of 0.4" in sentence
    assert "model.tied=false instead of true" in sentence
    assert "no model.forget_bias, which is 0.5 there" in sentence
    assert "embedding_size" not in sentence
    assert "model.cell" not in sentence


def test_very_different_sizes_are_reported_unless_the_budget_equalises_them() -> None:
    cells = {"model.cell": ["elman", "lstm"]}
    (sentence,) = size_differences(small_design(axes=cells, settings=BIG), unadjusted)
    counts = [int(number.replace(",", "")) for number in re.findall(r"[\d,]{3,}", sentence)]
    assert "lstm has " in sentence
    assert counts[0] > 1.5 * counts[1]
    assert size_differences(small_design(axes={"model.cell": ["lstm"]}, settings=BIG), unadjusted) == []
    sized = {"budget": {"equal": "parameters", "amount": 2000}}
    assert size_differences(small_design(axes=cells, settings=BIG, **sized), unadjusted) == []


def test_the_order_of_a_kind_and_its_settings_does_not_matter() -> None:
    kind, size = {"model.kind": "transformer-lm"}, {"model.hidden_size": 8, "model.heads": 2}
    without = {key: value for key, value in SMALL.items() if key != "model"}
    configs = [
        small_design(settings={**without, **first, **second}).experiment({}, 1)
        for first, second in ((kind, size), (size, kind))
    ]
    assert plain(configs[0].model) == plain(configs[1].model)
    assert plain(configs[0].model)["hidden_size"] == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"axes": {key: list(range(1, 1001)) for key in (EPOCHS, "model.hidden_size", "data.train")}},
            r"at most 20,000 cells. Got 1,000,000,000: 1,000 values of axis 'training.epochs' x 1,000 values "
            r"of axis 'model.hidden_size' x 1,000 values of axis 'data.train'\.$",
        ),
        (
            {"search": {"kind": "random", "trials": 10**9}, "axes": {RATE: {"low": 0.1, "high": 0.2}}},
            r"Got 1,000,000,000: 1,000,000,000 runs of each architecture \('search.trials'",
        ),
        (
            {"axes": {EPOCHS: list(range(1, 10**6))}},
            r"Got 999,999: 999,999 values of axis 'training.epochs'\.$",
        ),
        ({"seeds": range(1000), "axes": {EPOCHS: list(range(1, 30))}}, r"Got 29,000: .* x 1,000 seeds\.$"),
    ],
)
def test_too_many_cells_are_counted_before_any_is_made(changes: dict[str, Any], words: str) -> None:
    if "seeds" in changes:
        changes = {**changes, "seeds": list(changes["seeds"])}
    with pytest.raises(UserError, match=words):
        begin(small_design(**changes), unadjusted)


def test_a_search_of_few_settings_may_have_many_trials() -> None:
    search = {"kind": "tpe", "trials": 10**9, "confirm": 10**9}
    design = small_design(search=search, seeds=[1, 2, 3])
    begin(design, unadjusted)
    expected = design.config.search.expected(StudySpace(design, unadjusted))
    assert len(expected) == 2 + 2 * 2


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
        ({"axes": {RATE: [1, 1.0]}}, "must differ from each other"),
        ({"axes": {"model": [{"cell": "lstm"}, {"cell": "lstm"}]}}, "must differ from each other"),
        ({"axes": {"data.tokenizer.kind": ["1", 1]}}, "must differ from each other"),
        ({"axes": {RATE: {"low": 1, "high": 2, "step": 1}}}, "no setting 'step' of the range of axis"),
        ({"axes": {RATE: {"low": 1}}}, "must have numbers 'low' and 'high'"),
        ({"axes": {RATE: {"low": -1e308, "high": 1e308}}}, "a finite distance away"),
        ({"axes": {RATE: {"low": 1, "high": 10**30}}}, "a finite distance away"),
        ({"axes": {"training": {}}}, "Axis 'training' must have numbers"),
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
        ({"seeds": list(range(1001))}, "'seeds' must be at most 1,000 numbers. Got 1,001"),
        ({"settings": {"seed": 3}}, "'seed' must not be a setting.*Got seed=3. Nearest: seeds=3"),
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


def test_an_override_that_an_axis_or_the_seeds_would_hide_is_refused(tmp_path: Path) -> None:
    file = str(write(tmp_path / "a.toml", 'base = "brackets-lstm"\naxes.model.cell = ["lstm"]\n'))
    with pytest.raises(UserError, match=r"Got 'model.cell=gru' and axis 'model.cell'"):
        designs.read(file, ["model.cell=gru"])
    with pytest.raises(UserError, match=r"Nearest: seeds=3"):
        designs.read(file, ["seed=3"])
    assert designs.read(file, ["training.patience=none"]).settings == {"training.patience": None}


def test_an_override_is_parsed_with_the_kinds_of_the_study(tmp_path: Path) -> None:
    text = 'base = "brackets-lstm"\nsettings.data = {kind = "tomita", number = 1}\n'
    config = designs.read(str(write(tmp_path / "a.toml", text)), ["data.number=3"])
    assert plain(designs.Design(config).experiment({}, 1).data)["number"] == 3


def test_a_missing_or_damaged_study_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no study 'bracket-cells'\. Nearest: 'brackets-cells'"):
        designs.read("bracket-cells")
    with pytest.raises(UserError, match="There is no study file"):
        designs.read(str(tmp_path / "none.toml"))
    with pytest.raises(UserError, match="must be a TOML file"):
        designs.read(str(write(tmp_path / "bad.toml", "axes = [")))
    (tmp_path / "latin.toml").write_bytes(b'about = "\xe9"')
    with pytest.raises(UserError, match=r"must be UTF-8 text\. Got an invalid byte at offset 9"):
        designs.read(str(tmp_path / "latin.toml"))


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
