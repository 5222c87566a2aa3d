"""Cells and models of one's own as arms of a study."""

from __future__ import annotations

import shutil
from pathlib import Path

import own_cells
import own_models
import pytest
import torch
from small_studies import SMALL, StudyRecorder, run_small, small_design, write

from seqlab.comparison.study_cells import trial_runs
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.models.layer_counts import layer_counts
from seqlab.runs import study_folder
from seqlab.runs.study_records import Trial
from seqlab.schema import own_code
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError
from seqlab.studies import design
from seqlab.studies.budgets import TOLERANCE, adjustment
from seqlab.studies.design import Design
from seqlab.studies.run_study import begin
from seqlab.studies.study_config import BudgetConfig

UNIT = "cells.py:minimal_gated_unit"
DATA = {key: value for key, value in SMALL.items() if key != "model"}
ARMS = [
    {"kind": "recurrent-lm", "cell": "gru", "embedding_size": 4, "hidden_size": 4},
    {"kind": "import", "path": "nets.py:GruLanguageModel", "arguments": {"size": 4}, "scale_by": ["size"]},
    {"kind": "import", "path": "nets.py:DictLanguageModel", "arguments": {"size": 4}, "scale_by": ["size"]},
]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    shutil.copy(own_cells.__file__, "cells.py")
    shutil.copy(own_models.__file__, "nets.py")


def never(config: ExperimentConfig) -> float:
    raise AssertionError("nothing is measured unless seconds are to be equal")


def parameters(config: ExperimentConfig) -> int:
    """From the shapes of the weights, by the code that explains counts."""
    dataset = config.data.build()
    spec = config.task.build(dataset).spec(dataset)
    built = config.model.build(spec, torch.Generator())
    return sum(layer.parameters for layer in layer_counts(built))


@pytest.mark.slow
def test_cells_by_name_and_of_ones_own_are_trained_by_other_processes() -> None:
    study = small_design(axes={"model.cell": ["gru", UNIT]}, settings={**SMALL, "training": DATA["training"]})
    assert [study.name_of(each) for each in study.architectures] == ["gru", UNIT]
    recorder = StudyRecorder()
    folder = run_small(study, processes=2, recorder=recorder)
    assert sorted(outcome for _, outcome in recorder.outcomes) == ["finished", "finished"]
    cells = {run.folder.settings()["model"]["cell"] for run in trial_runs(folder) if run.folder is not None}
    assert cells == {"gru", f"code/model.cell/{UNIT}"}


def test_arms_have_names_and_equal_numbers_of_parameters() -> None:
    study = small_design(axes={"model": ARMS}, settings=DATA)
    names = [study.name_of(each) for each in study.architectures]
    assert names == ["gru", "nets.py:GruLanguageModel", "nets.py:DictLanguageModel"]
    adjust = adjustment(BudgetConfig(equal="parameters", amount=100_000), never)
    for architecture in study.architectures:
        config = adjust(study.example(architecture))
        assert abs(parameters(config) - 100_000) <= 100_000 * TOLERANCE


def test_a_budget_needs_to_know_what_may_be_changed() -> None:
    arm = {key: value for key, value in ARMS[1].items() if key != "scale_by"}
    study = small_design(axes={"model": [arm]}, settings=DATA)
    adjust = adjustment(BudgetConfig(equal="parameters", amount=900), never)
    with pytest.raises(
        UserError,
        match=r"needs a model whose size can be changed. Got 'nets.py:GruLanguageModel' witho",
    ):
        adjust(study.example({"model": arm}))


def test_code_in_a_study_file_is_relative_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("studies").mkdir()
    for name in ("cells.py", "nets.py"):
        Path(name).rename(f"studies/{name}")
    axes = '[axes]\nmodel.cell = ["gru", "cells.py:minimal_gated_unit"]\n'
    file = write(Path("studies/mine.toml"), f'base = "brackets-lstm"\n{axes}')
    study = Design(design.read(str(file)))
    study.check()
    assert study.architectures[1] == {"model.cell": f"studies/{UNIT}"}
    assert study.name_of(study.architectures[1]) == UNIT


def test_a_study_whose_code_was_changed_is_refused_with_both_hashes() -> None:
    study = small_design(axes={"model.cell": [UNIT]}, settings={**SMALL, "training": DATA["training"]})
    begin(study, adjustment(None, never))
    then = own_code.load(UNIT).sha256
    with Path("cells.py").open("a") as file:
        file.write("changed = True\n")
    now = own_code.load(UNIT).sha256
    with pytest.raises(
        UserError, match=rf"begun with other settings: code.{UNIT} was '{then}', is '{now}'\."
    ):
        begin(study, adjustment(None, never))


def test_a_study_folder_executes_no_code_that_the_study_does_not_name() -> None:
    study = small_design()
    folder, _ = begin(study, adjustment(None, never))
    (trial, *_) = [study.example(each) for each in study.architectures]
    config = {**plain(trial), "model": {"kind": "import", "path": "nets.py:GruLanguageModel"}}
    foreign = Trial(
        number=1, architecture="x", setting={}, seed=1, epochs=(), run="x", config=config, baseline=False
    )
    folder.add_trial(foreign)
    with pytest.raises(
        UserError, match=r"must have runs of this study alone. Got model.path='nets.py:GruLanguageM"
    ):
        run_small(study)


def test_a_budget_that_no_run_can_have_begins_no_study() -> None:
    """So that the same study with another budget is begun, not refused as a changed one."""
    study = small_design(axes={"model": ARMS}, settings=DATA, budget={"equal": "parameters", "amount": 11})
    with pytest.raises(UserError, match=r"must be a number of parameters that the model '.+' can have"):
        begin(study, adjustment(study.config.budget, never))
    assert not study_folder.exists(study_folder.studies_root() / study.config.name)
    other = small_design(
        axes={"model": ARMS}, settings=DATA, budget={"equal": "parameters", "amount": 100_000}
    )
    begin(other, adjustment(other.config.budget, never))
    assert study_folder.begun(other.config.name)
