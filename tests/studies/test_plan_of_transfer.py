"""The plan of a study whose runs start from the weights of another run."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import transfers

from seqlab.schema.errors import UserError
from seqlab.studies import design
from seqlab.studies.forecast import forecast
from seqlab.studies.resources import Resources


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transfers.use_folders(tmp_path, monkeypatch)


def films() -> design.Design:
    """A study of two rates of dropout, whose runs start from `films-lm`."""
    recipe, *overrides = transfers.classifier()
    table = {"name": "films", "base": recipe, "seeds": [1], "axes": {"model.dropout": [0.1, 0.2]}}
    return design.Design(design.read(table, overrides))


def test_the_plan_names_a_run_that_must_be_finished_before() -> None:
    planned = forecast(films(), Resources(threads=1), 1)
    assert planned.sentences[0] == "films: 2 runs, 2 cells."
    assert planned.seconds > 0
    (sentence,) = (each for each in planned.sentences if "init_from" in each)
    assert sentence.startswith("A run must be finished before, whose cost is not counted. ")
    assert "There is no run 'films-lm'." in sentence
    assert "Train it first: seqlab train text-lm name=films-lm " in sentence
    broken = tiny.broken_off(transfers.language_model_recipe(), step=1)
    (sentence,) = (each for each in forecast(films(), Resources(threads=1), 1).sentences if "init" in each)
    assert f"which is not finished. Finish it: seqlab resume {broken.path.name}" in sentence


def test_the_plan_names_a_finished_run_and_its_cost() -> None:
    source = transfers.language_model()
    planned = forecast(films(), Resources(threads=1), 1)
    seconds = source.summary()["cost"]["training_seconds"]
    wanted = f"which is finished; its {seconds:,.0f} s of training are not counted."
    assert planned.sentences[1] == f"Runs start from {source.path.name}, {wanted}"
    tiny.fit(transfers.classifier("model.dropout=0.1", "name=text-classifier"))
    again = forecast(films(), Resources(threads=1), 1)
    assert "Runs that are finished already: 1." in again.sentences


def test_a_run_that_does_not_fit_is_refused() -> None:
    transfers.language_model("model.hidden_size=5")
    with pytest.raises(UserError, match=r"'model\.hidden_size' must be that of films-lm-.*: 5\. Got 4\. Set"):
        forecast(films(), Resources(threads=1), 1)
