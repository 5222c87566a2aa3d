"""An ensemble's run: made from a recipe that trains its members, stopped and killed, and what is refused."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
import tiny
from experiments import finished, killed_at

from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import read_config
from seqlab.evaluate.loaded_ensemble import load_predictor
from seqlab.experiment import recipes
from seqlab.experiment.parameter_counts import count
from seqlab.runs import checkpoints, run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.schema.errors import UserError
from seqlab.training import run
from seqlab.training.interrupt import Interrupted
from seqlab.training.make_ensemble import make_ensemble, with_references

SIZES = ["data.train=60", "data.valid=20", "data.test=20", "data.length=4"]
QUIET = ["training.tensorboard=false", "training.patience=none"]
NET = ["marked-addition-gru", *SIZES, "model.hidden_size=4", "training.epochs=3", *QUIET]
CONSTANT = ["marked-addition-majority", *SIZES]
OWN_NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, vocabulary: int, classes: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 4)
        self.head = nn.Linear(4, classes)

    def forward(self, tokens):
        return self.head(self.embedding(tokens).mean(1))
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    tiny.register(monkeypatch)


def recipe(*members: str | list[str], rest: str = "", name: str = "best") -> str:
    """Write a recipe of an ensemble; returns its path."""
    words = [member if isinstance(member, str) else " ".join(member) for member in members]
    Path(f"{name}.toml").write_text(f"[ensemble]\nmembers = {json.dumps(words)}\n{rest}", encoding="utf-8")
    return f"{name}.toml"


def train(file: str, *overrides: str, callback: tiny.Nobody | None = None) -> RunSummary:
    config, _ = recipes.configure(file, overrides)
    return run.train(config, callback=callback or tiny.Nobody())


def outcome(made: RunFolder) -> dict[str, object]:
    """What must be equal to the bit."""
    card = made.card("valid")
    assert card is not None
    kept = (made.checkpoints / checkpoints.name(0) / checkpoints.ENSEMBLE).read_bytes()
    records = (made.path / "records.jsonl").read_bytes()
    return {"members": kept, "records": records, "metrics": card["metrics"], "name": made.path.name}


def test_a_recipe_trains_its_members_in_runs_of_their_own() -> None:
    Path("small.toml").write_text('base = "marked-addition-gru"\n[model]\nhidden_size = 3\n')
    callback = tiny.Nobody()
    small = ["small.toml", *SIZES, "training.epochs=1", "training.tensorboard=false", "seed=7"]
    made = train(recipe(NET, small, CONSTANT), callback=callback)
    names = run_folder.names()
    assert len(names) == 4
    assert [message for message in callback.messages if message.startswith("Member 2 of 3: ")]
    assert all(run_folder.find(name).finished for name in names)
    # The same as its runs, combined by their names.
    by_name = make_ensemble(
        ["marked-addition-gru", "small", "marked-addition-majority"], callback=tiny.Nobody()
    )
    assert by_name["metrics"] == made["metrics"]
    assert by_name["parameters"] == made["parameters"] == count("best.toml")["total"]


def test_the_run_of_a_recipe_is_known_from_its_settings() -> None:
    config, _ = recipes.configure(recipe(NET, CONSTANT))
    expected = with_references(config)
    assert run_folder.names() == []
    made = run_folder.open_run(Path(train("best.toml")["run"]))
    assert read_config(made) == expected
    assert run_folder.resolve(run.run_reference(expected)) == made.path
    assert with_references(expected) == expected


def test_members_that_are_finished_are_used_again() -> None:
    file = recipe(NET, CONSTANT)
    first = train(file)
    callback = tiny.Nobody()
    assert train(file, callback=callback) == first
    assert callback.losses == []
    assert train(file, "ensemble.weights=2,1", callback=callback)["run"] != first["run"]
    assert callback.losses == []


def test_a_member_in_a_file_is_relative_to_the_folder_of_the_recipe(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    Path("a b/net.toml").write_text('base = "marked-addition-gru"\n[model]\nhidden_size = 3\n')
    settings = " ".join([*SIZES, "training.epochs=1", "training.tensorboard=false"])
    Path("a b/best.toml").write_text(
        f'[ensemble]\nmembers = ["net.toml {settings}", "net.toml {settings} seed=2"]\n', encoding="utf-8"
    )
    summary = train("a b/best.toml")
    assert summary["parameters"] == 2 * run_folder.find("net-gru-h3-l1-lr0.003-s2").summary()["parameters"]


@pytest.mark.parametrize("step", [1, 2])
def test_a_stopped_recipe_resumes_what_is_left(step: int, tmp_path: Path, monkeypatch) -> None:
    second = [*NET, "seed=2", "training.checkpoint_seconds=0"]
    file = recipe(NET, second, CONSTANT)
    config, _ = recipes.configure(file)
    seen: list[int] = []

    def stop(progress) -> None:
        # Three epochs of one step each: the first member is done, the second begins again at step 1.
        seen.append(progress.step)
        if len(seen) > 3 and progress.step == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(config, callback=tiny.Nobody(stop))
    states = {name: run_folder.find(name).finished for name in run_folder.names()}
    assert sorted(states.values()) == [False, True], "no ensemble yet, one member unfinished"
    callback = tiny.Nobody()
    resumed = train(file, callback=callback)
    assert len(callback.losses) == 3 - (step - 1)
    again = outcome(run_folder.open_run(Path(resumed["run"])))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "unbroken"))
    whole = train(file)
    assert outcome(run_folder.open_run(Path(whole["run"]))) == again


def test_a_signal_says_how_to_continue() -> None:
    def stop(progress) -> None:
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"Saved at step 1\. .* The command for the ensemble continues it"):
        train(recipe(NET, CONSTANT), callback=tiny.Nobody(stop))


@pytest.mark.slow
def test_killed_anywhere_it_ends_the_same(tmp_path: Path) -> None:
    file = recipe(NET, CONSTANT)
    finished("train", file, runs=tmp_path / "unbroken")

    def ensemble(runs: Path) -> RunFolder:
        (path,) = runs.glob("best-*")
        return run_folder.open_run(path)

    expected = outcome(ensemble(tmp_path / "unbroken"))
    killed, call = 0, 2
    while True:
        runs = tmp_path / f"killed-{call}"
        status = killed_at(call, "train", file, runs=runs, functions=("fsync", "rename", "replace"))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        finished("train", file, runs=runs)
        assert outcome(ensemble(runs)) == expected
        assert not list(runs.rglob(".writing-*"))
        call += 9
    assert killed > 4, "the test tested too little"


def test_an_unfinished_ensemble_is_resumed_from_its_folder() -> None:
    made = run_folder.open_run(Path(train(recipe(NET, CONSTANT))["run"]))
    expected = outcome(made)
    # As a process leaves it that was killed while scoring.
    (made.path / "finished.json").unlink()
    (made.path / "records.jsonl").unlink()
    shutil.rmtree(made.path / "cards")
    run.resume(made, callback=tiny.Nobody())
    assert outcome(made) == expected


def test_an_unfinished_ensemble_is_resumed_in_another_folder_of_runs(tmp_path: Path, monkeypatch) -> None:
    """Moved with its members, or named by its path: they are beside it, whatever the folder of runs has."""
    made = run_folder.open_run(Path(train(recipe(NET, CONSTANT))["run"]))
    expected = outcome(made)
    (made.path / "finished.json").unlink()
    moved = shutil.move(run_folder.root(), tmp_path / "elsewhere")
    found = run_folder.find(str(Path(moved) / made.path.name))
    run.resume(found, callback=tiny.Nobody())
    assert outcome(found) == expected
    assert not run_folder.names()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([NET], "'ensemble.members' must have at least 2 items. Got 1"),
        ([NET, "imdb-gruu"], "There is no recipe or run 'imdb-gruu'. Nearest: 'imdb-gru'"),
        ([NET, "imdb-gruu seed=2"], "There is no recipe 'imdb-gruu'. Nearest: 'imdb-gru'"),
        ([NET, [*NET, "sed=2"]], "There is no setting 'sed'. Nearest: 'seed'"),
        ([NET, "other.toml"], "There is no recipe file 'other.toml'"),
        ([NET, NET], "'ensemble.members' must differ from each other"),
        ([NET, "it's"], "must be words: No closing quotation"),
        ([tiny.BRACKETS, [*tiny.BRACKETS, "seed=2"]], "Got language models of separate texts"),
        ([NET, "brackets-gru"], "differ in what they predict: a class, and a text"),
        ([NET, [*CONSTANT, "data.length=5"]], "differ in the texts or labels of 'test'"),
        ([NET, [*CONSTANT, "data.valid=21"]], "differ in the number of texts of 'valid': 20, and 21"),
        ([NET, [*CONSTANT, "fit_on=train+valid"]], "differ in the splits to score: test, valid, and test"),
        ([NET, [*CONSTANT, "data.seed=1"]], "differ in the texts or labels"),
    ],
)
def test_what_cannot_be_combined_is_refused_before_anything_is_trained(members, words: str) -> None:
    with pytest.raises(UserError, match=words):
        train(recipe(*members))
    assert run_folder.names() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("ensemble = 5", "'ensemble' must be a table. Got 5"),
        ("[ensemble]", "'ensemble.members' must be given"),
        ("[ensemble]\nmembers = []", "'ensemble.members' must have at least 2 items. Got 0"),
        ('[ensemble]\nmembers = "x"', "'ensemble.members' must be a list"),
        ("[ensemble]\nmembers = [1, 2]", "each value of 'ensemble.members' must be text"),
        ('[ensemble]\nmembers = ["", ""]', "There is no recipe or run ''|must differ from each other"),
    ],
)
def test_what_is_no_ensemble_is_refused(content: str, words: str) -> None:
    Path("best.toml").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        train("best.toml")


def test_code_of_a_member_is_relative_to_the_folder_of_the_recipe() -> None:
    Path("nets").mkdir()
    Path("nets/net.py").write_text(OWN_NET, encoding="utf-8")
    own = ["marked-addition-gru", *SIZES, "training.epochs=1", *QUIET, "model.kind=import"]
    members = json.dumps([" ".join([*own, "model.path=net.py:Net"]), " ".join(CONSTANT)])
    Path("nets/best.toml").write_text(f"[ensemble]\nmembers = {members}\n", encoding="utf-8")
    assert train("nets/best.toml")["parameters"] > 0


def test_threads_are_those_of_the_members() -> None:
    config, _ = recipes.configure(NET[0], NET[1:])
    run.train(config, threads=2, callback=tiny.Nobody())
    config, _ = recipes.configure(CONSTANT[0], CONSTANT[1:])
    run.train(config, callback=tiny.Nobody())
    made = make_ensemble(["marked-addition-gru", "marked-addition-majority"], callback=tiny.Nobody())
    assert made["cost"]["threads"] == 2


def test_an_ensemble_of_ensembles_is_refused() -> None:
    inner = recipe(NET, CONSTANT, name="inner")
    for members in ([NET, inner], [inner, NET], ["best.toml", NET], [NET, "best.toml"]):
        with pytest.raises(UserError, match="must not be an ensemble"):
            train(recipe(*members))
    assert run_folder.names() == []


def test_a_recipe_has_one_of_model_baseline_and_ensemble() -> None:
    Path("both.toml").write_text('base = "marked-addition-gru"\n[ensemble]\nmembers = ["a", "b"]\n')
    with pytest.raises(UserError, match=r"either 'model' or 'ensemble'\. Got both"):
        recipes.configure("both.toml")
    with pytest.raises(UserError, match=r"'best.toml' must train a network. Got an ensemble"):
        recipes.network(recipe(NET, CONSTANT))


def test_members_that_learned_from_validation_are_scored_on_test() -> None:
    both = [*NET, "data.resample_each_epoch=false", "training.fit_on=train+valid", "training.result=last"]
    summary = train(recipe(both, [*CONSTANT, "fit_on=train+valid"]))
    made = run_folder.open_run(Path(summary["run"]))
    assert summary["metrics"] == {}
    assert set(made.cards()) == set()
    assert evaluate_run(made, "test", ())["sequences"] == 20


def test_own_code_of_a_member_needs_trust_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("net.py").write_text(OWN_NET, encoding="utf-8")
    own = ["marked-addition-gru", *SIZES, "model.kind=import", "model.path=net.py:Net"]
    few = ["training.epochs=1", "training.tensorboard=false"]
    made = run_folder.open_run(Path(train(recipe([*own, *few], CONSTANT))["run"]))
    expected = load_predictor(made).predict(["2 4 1 3"])
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "other-cache"))
    Path("net.py").unlink()
    refused = r"must be trusted, because it would run .*code/model.path/net.py:Net"
    with pytest.raises(UserError, match=refused):
        load_predictor(made)
    with pytest.raises(UserError, match=refused):
        evaluate_run(made, "test", ())
    members = ["marked-addition-gru", "marked-addition-majority"]
    with pytest.raises(UserError, match=refused):
        make_ensemble(members, ["name=other"], callback=tiny.Nobody())
    assert load_predictor(made, trust=True).predict(["2 4 1 3"]) == expected
    make_ensemble(members, ["name=other"], callback=tiny.Nobody(), trust=True)
