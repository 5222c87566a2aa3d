"""A classifier that starts from the weights of a finished run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import own_cells
import pytest
import tiny
import torch
import transfers
from experiments import outcome
from transfers import DATA, FROZEN, SHORT, SIZES, classifier, language_model, weights

from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.experiment import cleaning, recipes
from seqlab.runs import checkpoints, removal, run_folder
from seqlab.runs.checkpoints import MODEL
from seqlab.schema.errors import DamagedFileError, UserError
from seqlab.training import run


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transfers.use_folders(tmp_path, monkeypatch)


@pytest.mark.parametrize("tied", ["false", "true"])
def test_embedding_and_layers_are_those_of_the_best_checkpoint(tied: str) -> None:
    # So large a rate that the best checkpoint is not the last one.
    source = language_model(f"model.tied={tied}", "training.optimizer.learning_rate=1", "training.epochs=6")
    assert source.summary()["best_step"] < source.summary()["steps"]
    then, now = weights(source), weights(tiny.fit(classifier(*FROZEN)))
    for name in now:
        if name.startswith(("embedding.", "body.")):
            assert torch.equal(now[name], then[name]), name
    assert sum(name.startswith("body.") for name in now) == 8
    assert now["head.weight"].shape == (2, 3)


def test_the_folder_says_from_what_it_started() -> None:
    source = language_model()
    callback = tiny.Nobody()
    found = tiny.fit(classifier(), callback=callback)
    record = found.start()
    assert record is not None
    assert (record["run"], record["fingerprint"]) == (source.path.name, source.fingerprint)
    assert record["step"] == source.summary()["best_step"]
    manifest = checkpoints.verify(source.checkpoints / checkpoints.name(record["step"]), source.fingerprint)
    assert record["sha256"] == manifest["files"][MODEL]["sha256"]
    assert f"Starts from {source.path.name}, step {record['step']}: embedding, body." in callback.messages
    assert tiny.fit(tiny.BRACKETS).start() is None


def test_it_learns_from_where_it_started() -> None:
    language_model()
    drawn = tiny.fit(classifier("model.init_from=none"))
    taken = tiny.fit(classifier())
    assert tiny.records(taken, "loss")[0] != tiny.records(drawn, "loss")[0]
    assert len(tiny.records(taken, "loss")) > 1
    names = [name for name, tensor in weights(drawn).items() if not torch.equal(tensor, weights(taken)[name])]
    assert set(names) == set(weights(drawn))


def test_the_content_of_the_source_decides_which_run_it_is(tmp_path: Path) -> None:
    source = language_model()
    first = tiny.fit(classifier())
    assert run.run_reference(tiny.configure(classifier())).endswith(first.fingerprint[:12])
    # By its path, the same run.
    copied = tmp_path / "elsewhere" / source.path.name
    shutil.copytree(source.path, copied)
    assert tiny.fit(classifier(f"model.init_from={copied}")).path == first.path
    # Another one of the same name is another run.
    shutil.rmtree(source.path)
    language_model("seed=2")
    second = tiny.fit(classifier())
    assert second.path != first.path
    assert second.start() != first.start()


@pytest.mark.parametrize("seconds", ["0", "1000"])
@pytest.mark.parametrize("step", [1, 3])
def test_a_resumed_run_does_not_need_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, seconds: str
) -> None:
    """Stopped with and without a checkpoint."""
    recipe = classifier("training.layer_decay=0.5", f"training.checkpoint_seconds={seconds}")
    recipe += ["training.unfreeze_every=1"]
    source = language_model()
    whole = outcome(tiny.fit(recipe))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "broken"))
    broken = tiny.broken_off(recipe, f"model.init_from={source.path}", step=step)
    shutil.rmtree(source.path)
    run.resume(broken, callback=tiny.Nobody())
    assert outcome(broken) == whole
    assert evaluate_run(broken, "test", ())["split"] == "test"
    assert load_run(broken).predict(["a great film"])


def test_a_classifier_takes_all_weights_of_a_classifier() -> None:
    source = tiny.fit(classifier("model.init_from=none", "name=films"))
    settings = ["model.init_from=films", *FROZEN, "training.optimizer.learning_rate=1e-30"]
    now, then = weights(tiny.fit(classifier(*settings))), weights(source)
    assert set(now) == set(then)
    for name in now:
        torch.testing.assert_close(now[name], then[name], rtol=0, atol=1e-12, msg=name)


def test_labels_of_a_classifier_must_be_the_same(tmp_path: Path) -> None:
    rows = Path("films.csv").read_text().replace(",good", ",yes").replace(",bad", ",no")
    Path("other.csv").write_text(rows)
    tiny.fit(classifier("model.init_from=none", "name=films"))
    with pytest.raises(UserError) as error:
        tiny.fit(classifier("model.init_from=films", "data.path=other.csv"))
    assert "or a run of task 'classify' with the labels no, yes. Got films-" in str(error.value)
    assert "of task 'classify' with the labels bad, good." in str(error.value)


@pytest.mark.parametrize(
    ("source", "own", "words"),
    [
        (
            [],
            ["model.hidden_size=5"],
            "'model.hidden_size' must be that of {}, .*: 4. Got 5. Set .*size=4, or",
        ),
        ([], ["model.layers=1"], "'model.layers' must be that of .*: 2. Got 1. Set model.layers=2, or train"),
        (["model.cell=gru"], [], "'model.cell' must be that of .*: gru. Got lstm. Set model.cell=gru, or"),
        ([], ["model.embedding=one-hot"], "'model.embedding' .*: learned. Got one-hot. Set .*=learned"),
        ([], ["model.bidirectional=true"], "'model.bidirectional' must .*: false. Got true. Set .*=false"),
        (["model.sum_layers=true"], [], "'model.sum_layers' must be .*: true. Got false. Train another run"),
        (["model.layer_norm=true"], [], "'model.layer_norm' must be .*: true. Got false. Train another run"),
    ],
)
def test_settings_of_the_layers_must_be_the_same(source: list[str], own: list[str], words: str) -> None:
    name = language_model(*source).path.name
    with pytest.raises(UserError, match=words.format(name)):
        tiny.fit(classifier(*own))


def test_equations_of_ones_own_are_compared_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "cells.py"
    shutil.copy(own_cells.__file__, path)
    cell = f"model.cell={path}:{CELL}"
    language_model(cell)
    assert tiny.fit(classifier(cell)).start() is not None
    path.write_text(path.read_text() + "\n# Another content.\n")
    with pytest.raises(UserError, match=rf"'model\.cell' must be that of .*cells\.py:{CELL} [0-9a-f]{{64}}"):
        tiny.fit(classifier(cell))


CELL = "minimal_gated_unit"


def refused(recipe: Sequence[str]) -> str:
    with pytest.raises(UserError) as error:
        tiny.fit([*recipe])
    return str(error.value)


def test_other_tokens_are_refused_with_the_settings_that_make_them_equal() -> None:
    language_model()
    words = refused(classifier("data.unlabelled_path="))
    assert "The tokenizer must be that of films-lm-" in words
    path = Path("more.txt").absolute()
    assert f"Set data.unlabelled_path={path}, as there, or train the other run again: " in words
    again = "seqlab train text-lm name=films-lm data.kind=table data.tokenizer.max_size=2000 "
    sizes = "model.embedding_size=4 model.hidden_size=4 model.layers=2"
    assert words.partition("again: ")[2] == f"{again}data.path=films.csv {sizes}"
    assert "Set data.tokenizer.min_count=1, as there, or" in refused(classifier("data.tokenizer.min_count=3"))


def test_how_texts_are_cut_may_differ() -> None:
    language_model()
    assert tiny.fit(classifier("data.max_length=3")).start() is not None


def test_a_changed_file_is_refused() -> None:
    language_model()
    Path("more.txt").write_text("other words\n")
    assert "Restore the content of the data, which was another one, or train" in refused(classifier())


def test_a_missing_run_is_answered_with_the_command_that_trains_it() -> None:
    words = refused(classifier())
    assert words.startswith("'model.init_from': There is no run 'films-lm'.")
    command = words.partition("Train it first: seqlab train ")[2].split()
    assert command[:3] == ["text-lm", "name=films-lm", "data.kind=table"]
    tiny.fit(["text-lm", *command[1:], *SHORT, "samples.count=0"])
    assert tiny.fit(classifier()).finished


def test_data_of_a_recipe_are_in_the_command_where_they_differ() -> None:
    with pytest.raises(UserError, match=r"Train it first: seqlab train imdb-lm data\.train_size=200$"):
        run.train(recipes.network("imdb-transfer", ["data.train_size=200"]), callback=tiny.Nobody())


def test_an_unfinished_run_is_refused_with_the_command_that_finishes_it() -> None:
    overrides = ["data.kind=table", *DATA, "name=films-lm", *SIZES, *SHORT, "samples.count=0"]
    broken = tiny.broken_off(["text-lm", *overrides], step=2)
    name = broken.path.name
    words = refused(classifier())
    assert f"Got {name}, which is not finished. Finish it: seqlab resume {name}" in words


def test_several_runs_of_the_name_are_listed() -> None:
    language_model()
    language_model("seed=2")
    words = refused(classifier())
    assert words.startswith("'model.init_from': 'films-lm' must name one run. Got 2: films-lm-")
    assert "Train it first" not in words


def test_models_of_other_kinds_are_refused() -> None:
    settings = ["model.kind=transformer-lm", "model.hidden_size=4", "model.heads=2", "model.layers=1"]
    tiny.fit(["text-lm", "data.kind=table", *DATA, "name=films-lm", *settings, *SHORT, "samples.count=0"])
    words = "must name a run of 'recurrent-lm' or 'recurrent-classifier'. Got films-lm-"
    assert words in (found := refused(classifier()))
    assert "a run of 'transformer-lm'." in found
    summary = run.train(recipes.configure("text-nbsvm", [*DATA, "name=baseline"])[0], callback=tiny.Nobody())
    name = Path(summary["run"]).name
    assert f"{words.removesuffix('films-lm-')}{name}, a baseline." in refused(
        classifier("model.init_from=baseline")
    )


def test_damaged_copies_are_refused() -> None:
    language_model()
    recipe = classifier("training.checkpoint_seconds=1000")
    broken = tiny.broken_off(recipe, step=1)
    file = broken.start_copy / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    with pytest.raises(DamagedFileError, match="must hold the weights that the run starts from, SHA-256"):
        run.resume(broken, callback=tiny.Nobody())
    record = broken.path / "start.json"
    record.write_text(record.read_text().replace("films-lm", "films-ml"))
    with pytest.raises(DamagedFileError, match=r"start\.json"):
        run.resume(broken, callback=tiny.Nobody())


def test_the_copy_is_cleaned_and_removed_with_its_run() -> None:
    language_model()
    found = tiny.fit(classifier())
    (waste,) = [waste for waste in cleaning.find_waste() if waste.path == found.start_copy]
    assert cleaning.delete(waste)
    assert not found.start_copy.exists()
    assert evaluate_run(found, "valid", ())["split"] == "valid"
    plan = removal.plan(found.path)
    assert not plan.kept
    broken = tiny.broken_off(classifier("training.checkpoint_seconds=1000", "seed=3"), step=1)
    assert not removal.plan(broken.path).kept
    assert [waste for waste in cleaning.find_waste() if waste.path == broken.start_copy] == []


def test_cards_count_the_unlabelled_texts_that_were_left_out() -> None:
    texts = tiny.configure(classifier("model.init_from=none")).data.read().texts
    scored: dict[str, Any] = {name: list(texts[name]) for name in ("valid", "test")}
    Path("more.txt").write_text("\n".join(["one more", *scored["valid"][:2], scored["test"][0]]) + "\n")
    for found in (language_model("data.tokenizer.min_count=1"), tiny.fit(classifier("model.init_from=none"))):
        evaluate_run(found, "test", ())
        assert {name: card.get("left_out") for name, card in found.cards().items()} == {"valid": 2, "test": 1}
    assert run_folder.find("films-lm").data()["splits"]["train"]["sequences"] == len(texts["train"]) + 1
