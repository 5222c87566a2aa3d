"""A run in Python: train, load, inspect, use."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, cast

import altair
import polars as pl
import pytest
import tiny
from IPython.core.interactiveshell import InteractiveShell
from polars.testing import assert_frame_equal

import seqlab
from seqlab import cli
from seqlab.runs.run_folder import RunFolder, open_run
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar, Text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    """Runs and caches in folders of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("SEQLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        tiny.register(patch)
        yield


@pytest.fixture(scope="module")
def run(place) -> seqlab.Run:
    return seqlab.train(tiny.BRACKETS[0], tiny.BRACKETS[1:])


@pytest.fixture(scope="module")
def classifier(place) -> seqlab.Run:
    return seqlab.train(tiny.REVIEWS[0], tiny.REVIEWS[1:])


def folder_of(run: seqlab.Run) -> RunFolder:
    return open_run(run.path)


def test_importing_is_light() -> None:
    """No slow package is imported before it is used."""
    code = "import seqlab, sys; print({'torch', 'polars', 'altair', 'pydantic', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()"]
    assert [name for name in dir(seqlab) if not name.startswith("__")] == sorted(seqlab.__all__)
    with pytest.raises(AttributeError, match=r"no attribute 'lod_run'"):
        seqlab.lod_run  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue]


def test_records_are_those_of_the_file(run: seqlab.Run) -> None:
    frame = run.records
    assert frame.columns == ["step", "epoch", "tokens", "split", "name", "value", "unit"]
    scalars = [(r, m) for r, m in folder_of(run).records() if isinstance(r, Scalar)]
    assert frame["value"].to_list() == [record.value for record, _ in scalars]
    assert frame["step"].to_list() == [moment.step for _, moment in scalars]
    final = frame.filter(name="final_loss", split="valid")["value"].to_list()
    assert final == [run.metrics["loss"]]


def test_samples(run: seqlab.Run) -> None:
    assert run.samples.columns == ["step", "epoch", "tokens", "name", "prompt", "text", "complete"]
    assert run.samples["text"].to_list() == [
        text.text for text in tiny.samples(folder_of(run)) if isinstance(text, Text)
    ]


def test_a_run_is_loaded_by_path_by_name_and_by_its_beginning(run: seqlab.Run) -> None:
    for name in (run.path, str(run.path), run.path.name, "brackets"):
        assert seqlab.load_run(name).metrics == run.metrics
    assert repr(run).startswith(f"{run.path.name}: loss ")
    with pytest.raises(UserError, match=r"There is no run 'nothing'"):
        seqlab.load_run("nothing")


def test_a_configuration_trains_too_and_can_be_changed(run: seqlab.Run, capsys) -> None:
    assert seqlab.train(run.config, progress=True).path == run.path
    assert "is finished; nothing to do." in capsys.readouterr().out
    other = seqlab.train(run.config, ["seed=7", "training.epochs=1"], progress=True)
    table = plain(other.config)
    assert (table["seed"], table["training"]["epochs"]) == (7, 1)
    said = capsys.readouterr()
    assert "\nepoch 1, step " in said.out
    assert said.err == ""


def test_what_is_wrong_is_refused(place) -> None:
    with pytest.raises(UserError, match=r"'settings' must be a list of key=value, or a dict. Got 'seed=3'"):
        seqlab.train("brackets-lstm", "seed=3")
    with pytest.raises(UserError, match=r"Nearest: 'training.epochs'"):
        seqlab.train("brackets-lstm", ["epochs=3"])
    with pytest.raises(UserError, match=r"There is no recipe 'brackets-lst'"):
        seqlab.train(Path("brackets-lst"))


def test_sampling_is_that_of_the_command_line(run: seqlab.Run) -> None:
    frame = run.sample("(", count=3, length=6, seed=2)
    assert frame.columns == ["prompt", "text", "complete"]
    assert frame.equals(run.sample("(", count=3, length=6, seed=2))
    assert not frame.equals(run.sample("(", count=3, length=6, seed=3))
    with pytest.raises(UserError, match="must hold a classifier"):
        run.predict("a good film")


def test_what_is_no_text_is_refused_with_its_index(classifier: seqlab.Run, run: seqlab.Run) -> None:
    for ask in (classifier.predict, classifier.explain):
        with pytest.raises(UserError, match=r"^The text at index 1 must be text. Got 3\.$"):
            ask(["", 3])
        with pytest.raises(UserError, match=r"^The text at index 2 must be UTF-8."):
            ask([None, "a", "\ud800"])
    for missing in (None, float("nan"), 3):
        with pytest.raises(UserError, match=rf"^A prompt must be text. Got {missing!r}\.$"):
            run.sample(cast("Any", missing))


def test_texts_that_are_missing_have_the_answer_null(classifier: seqlab.Run) -> None:
    given = ["a good film", None, float("nan"), "", " ", "a bad film"]
    frame, alone = classifier.predict(given), classifier.predict(["a good film", "a bad film"])
    assert frame["text"].to_list() == ["a good film", None, None, "", " ", "a bad film"]
    assert_frame_equal(frame[[0, 5]], alone)
    assert frame[1:5].drop("text").null_count().row(0) == (4, 4, 4)
    assert_frame_equal(classifier.predict(frame["text"].to_list()), frame)
    with pytest.raises(UserError, match=r"There must be at least one text to predict. Got none\."):
        classifier.predict([None, ""])


def test_predictions(classifier: seqlab.Run) -> None:
    frame = classifier.predict(["a good film", "a bad film"])
    assert frame.columns == ["text", "label", "P(positive)", "P(negative)"]
    assert frame["label"].to_list() == ["positive", "negative"]
    assert frame.select(
        pl.sum_horizontal("P(positive)", "P(negative)")
    ).to_series().to_list() == pytest.approx([1, 1])
    # One text is not its characters; a batch of another size may round in another way.
    assert_frame_equal(classifier.predict("a good film"), frame[:1], rel_tol=1e-5)
    with pytest.raises(UserError, match="must hold a language model"):
        classifier.sample("a")


def test_the_model_has_the_best_weights(run: seqlab.Run) -> None:
    assert not run.model.training
    assert run.model is run.model
    assert sum(p.numel() for p in run.model.parameters()) == tiny.summary(folder_of(run))["parameters"]


def test_the_chart_holds_the_records(run: seqlab.Run) -> None:
    content = run.chart().to_dict()
    rows = content["datasets"]["rows"]
    losses = run.records.filter(split="valid", name="loss")
    assert [row["value"] for row in rows if row["split"] == "valid"] == losses["value"].to_list()
    assert run.chart("accuracy", over="epoch").to_dict() != content
    assert set(run.chart()._repr_mimebundle_() or ()) == {"image/svg+xml"}
    assert altair.renderers.active == "default", "what others' charts do is left alone"
    with altair.renderers.enable("html"):
        assert set(run.chart()._repr_mimebundle_() or ()) == {"text/html"}
    with pytest.raises(UserError, match=r"There is no recorded number 'los'. Nearest: 'loss'"):
        run.chart("los")
    with pytest.raises(UserError, match=r"There is no axis 'steps'. Nearest: 'step'"):
        run.chart(over="steps")


def test_an_unfinished_run_can_be_looked_at(place) -> None:
    path = tiny.broken_off(tiny.BRACKETS, "seed=3", "training.checkpoint_seconds=0", step=5).path
    unfinished = seqlab.load_run(path)
    assert repr(unfinished) == f"{path.name}: unfinished"
    assert unfinished.records["step"].max() == 4
    with pytest.raises(UserError, match="must be finished to have results"):
        _ = unfinished.metrics


def test_nothing_is_printed_unless_it_is_asked_for(place, capsys, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="seqlab"):
        seqlab.train(tiny.BRACKETS[0], [*tiny.BRACKETS[1:], "seed=11"])
    assert capsys.readouterr() == ("", "")
    assert "settings of 'cosine' were dropped: warmup" in caplog.text


def test_the_settings_of_a_run_make_the_same_run(run: seqlab.Run, classifier: seqlab.Run) -> None:
    assert seqlab.train(tiny.BRACKETS[0], run.settings).path == run.path
    assert seqlab.train("brackets-gru", run.settings).path == run.path, "whatever the recipe says"
    assert run.settings["model"]["hidden_size"] == 4


def test_evaluating_is_that_of_the_command_line(classifier: seqlab.Run, capsys) -> None:
    card = classifier.evaluate("test")
    assert cli.run(["evaluate", str(classifier.path), "--split", "test", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert json.loads(json.dumps(card["metrics"])) == shown["metrics"]
    assert card["curves"].keys() == shown["curves"].keys() != set()
    assert card["metrics"]["accuracy"] == sum(classifier.predictions("test")["correct"]) / 8
    assert set(classifier.evaluate("test", ["loss"])["metrics"]) >= {"loss"}
    with pytest.raises(UserError, match=r"There is no split 'tst'. Nearest: 'test'"):
        classifier.evaluate("tst")
    with pytest.raises(UserError, match=r"Nearest: 'accuracy'"):
        classifier.evaluate("test", ["acuracy"])


def test_diagnosing_is_that_of_the_command_line(run: seqlab.Run, capsys) -> None:
    found = run.diagnose(rows=3)
    assert cli.run(["diagnose", str(run.path), "--rows", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found))
    with pytest.raises(UserError, match=r"'rows' must be at least 1. Got 0. Nearest: 1."):
        run.diagnose(rows=0)


def test_any_recorded_number_is_drawn(run: seqlab.Run) -> None:
    for name in run.records["name"].unique():
        rows = run.chart(name).to_dict()["datasets"]["rows"]
        recorded = run.records.filter(name=name)["value"].to_list()
        assert {row["value"] for row in rows} <= set(recorded)
        assert rows


def test_several_numbers_are_charts_below_each_other(run: seqlab.Run) -> None:
    chart = run.chart("loss", "gradient_norm")
    content = chart.to_dict()
    assert [part["title"]["text"] for part in content["vconcat"]] == [
        "loss on brackets",
        "gradient norm on brackets",
    ]
    norms = run.records.filter(name="gradient_norm")["value"].to_list()
    assert [row["value"] for row in content["datasets"]["rows1"]] == norms
    shown: Any = chart._repr_mimebundle_()
    assert "gradient norm" in shown["image/svg+xml"]


def test_an_error_is_shown_in_a_notebook_without_a_traceback() -> None:
    shell = InteractiveShell()
    with redirect_stdout(StringIO()) as out:
        shell.run_cell("import seqlab; seqlab.load_run('nothing\\x1b')")
    assert out.getvalue().startswith("UserError: There is no run 'nothing")
    assert "Traceback" not in out.getvalue()
    assert "\x1b[" not in out.getvalue().replace("\x1b[0m", "")
