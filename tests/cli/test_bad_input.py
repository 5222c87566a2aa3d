"""Wrong input: status 2 and a message that helps; nothing is created."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import tiny

from seqlab.cli.app import app
from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder

TRAIN = ["train", *tiny.BRACKETS]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trane"], 'Unknown command "trane". Did you mean "train"?'),
        (["train"], "RECIPE requires an argument"),
        (["params"], "needs at least one recipe"),
        (["train", "ptb-lstm", "--devcie", "cpu"], "Unknown option: --devcie. Did you mean --device?"),
        (
            ["train", "ptb-lstm", "--epochs", "3"],
            "Settings are written without dashes, as in training.epochs=3",
        ),
        (["train", "ptb-lstm", "epochs=3"], "There is no setting 'epochs'. Nearest: 'training.epochs'"),
        (["train", "ptb-lstm", "modle.cell=elman"], "Nearest: 'model.cell'. Settings: name, data"),
        (["train", "ptb-lstm", "sede=3"], "Nearest: 'seed'"),
        (["train", "ptb-lstm", "--threads", "x"], "--threads: must be a whole number. Got 'x'."),
        (["list", "modells"], "There is no list 'modells'. Nearest: 'models'"),
        (["data", "sow", "ptb"], "There is no action 'sow'. Nearest: 'show'"),
        (["data", "info", "ptp"], "There is no dataset 'ptp'. Nearest: 'ptb'"),
        (["data", "show", "brackets", "trian=3"], "There is no setting 'trian'. Nearest: 'train'"),
        (["train", "ptb-lsm"], "There is no recipe 'ptb-lsm'. Nearest: 'ptb-lstm'"),
        (["params", "ptb-lsm"], "There is no recipe 'ptb-lsm'. Nearest: 'ptb-lstm'"),
        (["train", "gone.toml"], "There is no recipe file 'gone.toml'"),
        (
            [*TRAIN, "model.hiden_size=3"],
            "There is no setting 'model.hiden_size'. Nearest: 'model.hidden_size'",
        ),
        ([*TRAIN, "model.hidden_size=x"], "'model.hidden_size' must be an integer"),
        ([*TRAIN, "model.hidden_size=0"], "'model.hidden_size' must be greater than or equal to 1. Got 0"),
        ([*TRAIN, "training.optimizer.learning_rate=nan"], "'training.optimizer.learning_rate' must be"),
        ([*TRAIN, "training.epochs"], "An override must be written key=value. Got 'training.epochs'"),
        ([*TRAIN, "model=lstm"], "'model' is a table: set one of its keys, model.kind"),
        ([*TRAIN, "model=net.py:Net"], "Nearest: model.kind=import model.path=net.py:Net."),
        ([*TRAIN, "model.kind=net.py:Net"], "Code of your own has the kind 'import', and 'path' names it."),
        ([*TRAIN, "model.path=net.py:Net"], "'model.path' needs 'import' as 'model.kind': model.kind=import"),
        (["train", "net.py:Net"], "Got code, 'net.py:Net'. Nearest: a recipe with model.kind=import model"),
        (["check", "net.py"], "must be written FILE.py:NAME. Got 'net.py'. Nearest: 'net.py:NAME'"),
        ([*TRAIN, "model.kind=recurent-lm"], "There is no model 'recurent-lm'. Nearest: 'recurrent-lm'"),
        ([*TRAIN, "model.cell=lstn"], "'model.cell' must be one of elman, elman-concat"),
        ([*TRAIN, "task.kind=classify"], "needs a dataset with at least 2 labels. Got 'brackets' with 0"),
        ([*TRAIN, "batching.tokens=5"], "'batching.tokens' must be at least the longest sequence"),
        ([*TRAIN, "model.tied=true", "model.hidden_size=5"], "Nearest: model.embedding_size=5"),
        ([*TRAIN, "training.optimizer.nesterov=true", "training.optimizer.kind=sgd"], "nesterov"),
        ([*TRAIN, "name=a/b"], "'name' must match"),
        ([*TRAIN, "seed=-1"], "'seed' must be greater than or equal to 0"),
        ([*TRAIN, "--device", "cud"], "'device' must be one this machine has. Got 'cud'"),
        ([*TRAIN, "--device", "meta"], "'device' must be one this machine has. Got 'meta'"),
        ([*TRAIN, "--threads", "0"], "'threads' must be at least 1. Got 0"),
        (["resume", "nothing"], "There is no run 'nothing'. Known: none."),
        (["evaluate", ""], "There is no run ''. Known: none."),
        (["sample", "nothing"], "There is no run 'nothing'"),
        (["predict", "nothing", "a"], "There is no run 'nothing'"),
    ],
)
def test_refused_with_nothing_created(refused, runs: Path, arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)
    assert not runs.exists()


RUNNING = [*tiny.BRACKETS[:1], "data.kind=python_source", "batching.kind=sequences"]


def test_sequences_of_a_running_text(refused, runs: Path, tmp_path: Path, monkeypatch) -> None:
    result = refused("train", *RUNNING)
    assert "'batching.kind' must be 'stream' for running text, which has no end. Got 'sequences'" in result
    assert not runs.exists()


def test_stream_of_labelled_texts(refused, runs: Path) -> None:
    assert "Nearest: 'sequences'" in refused("train", *tiny.REVIEWS, "batching.kind=stream")
    assert not runs.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"epochs = = 3", "must be a TOML file"),
        (b"about = '\xff'", "must be UTF-8 text"),
        (b"base = 'mine.toml'", "A recipe must not extend itself"),
        (b"base = './x/../mine.toml'", "A recipe must not extend itself"),
        (b"base = 'ptb-lsm'", "There is no recipe 'ptb-lsm'. Nearest: 'ptb-lstm'"),
        (b"seed = 1", "'data' must be given: What is learned from"),
        (b"data = 3", "'data.kind' must be given: one of imdb"),
        (b"base = 'brackets-lstm'\n[training]\nepoch = 3", "Nearest: 'training.epochs'"),
        (b"base = 'brackets-lstm'\n[training]\nepochs = '3'", "'training.epochs' must be"),
        (b"base = 'brackets-lstm'\n[training]\nepochs = true", "'training.epochs' must be"),
        (b"base = 'brackets-lstm'\n[model]\nkind = 3", "'model.kind' must be text. Got 3"),
        (b"base = 'brackets-lstm'\ntraining = 3", "'training' must be a table. Got 3"),
        (b"", "must be given"),
    ],
)
def test_recipe_files(refused, runs: Path, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "mine.toml").write_bytes(content)
    assert words in refused("train", str(tmp_path / "mine.toml"))
    assert not runs.exists()


def test_a_recipe_extends_one_in_its_folder(seqlab, tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text("base = 'brackets-lstm'\n[model]\nhidden_size = 3\n")
    (tmp_path / "above.toml").write_text("base = 'below.toml'\n[data]\ntrain = 9\n")
    rows = json.loads(seqlab("params", str(tmp_path / "above.toml"), "--json").out)
    assert rows[str(tmp_path / "above.toml")]["layers"][-1]["numbers"] == "3 x 6 + 6"


def test_unknown_metric_split_and_numbers(refused, language: RunFolder) -> None:
    name = language.path.name
    assert "There is no metric 'los'. Nearest: 'loss'" in refused("evaluate", name, "--metric", "los")
    assert "'vald'. Nearest: 'valid'" in refused("evaluate", name, "--split", "vald")
    assert "'device' must be" in refused("evaluate", name, "--device", "cud")
    assert "'count' must be at least 1. Got 0" in refused("sample", name, "--count", "0")
    assert "'length' must be at least 1. Got 0" in refused("sample", name, "--length", "0")
    assert "'temperature' must be" in refused("sample", name, "--temperature", "-1")
    assert "'top_k' must be" in refused("sample", name, "--top-k", "0")
    assert "'top_p' must be" in refused("sample", name, "--top-p", "1.5")
    assert "Nearest: 'brackets-lstm-" in refused("resume", "brackets-lstn")


def test_of_several_runs_the_last_begun_is_named(refused, language: RunFolder) -> None:
    other = tiny.broken_off(tiny.BRACKETS, "seed=2", step=1).path.name
    os.utime(language.path / "run.json", (1e9, 1e9))
    result = refused("resume", "brackets-lstm")
    assert "'brackets-lstm' must name one run. Got 2: " in result
    assert f"The newest of them: {other!r}." in result


def test_a_model_of_the_wrong_kind_is_refused(refused, language: RunFolder, classifier: RunFolder) -> None:
    assert "must hold a classifier. Use `seqlab sample`" in refused("predict", language.path.name, "(")
    assert "must hold a language model. Use `seqlab predict`" in refused("sample", classifier.path.name)


def test_texts_to_predict(refused, classifier: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    assert "at least one text" in refused(
        "predict", classifier.path.name, "--file", str(tmp_path / "empty.txt")
    )
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refused("predict", classifier.path.name, "--file", str(tmp_path / "bytes.txt"))
    assert "gone.txt" in refused("predict", classifier.path.name, "--file", str(tmp_path / "gone.txt"))
    assert str(tmp_path) in refused("predict", classifier.path.name, "--file", str(tmp_path))


def _unfinished() -> RunFolder:
    return tiny.broken_off(tiny.BRACKETS, "training.checkpoint_seconds=0", step=5)


COMMANDS: list[Callable[[str], list[str]]] = [
    lambda name: ["resume", name],
    lambda name: ["evaluate", name],
    lambda name: ["sample", name],
]


@pytest.mark.parametrize("file", ["config.toml", "environment.json", "data.json", "run.json"])
@pytest.mark.parametrize("content", [None, "{", "{}", "[]", "\x00"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_run_folder(seqlab, language: RunFolder, command, file, content) -> None:
    (language.path / "finished.json").unlink()
    path = language.path / file
    path.unlink() if content is None else path.write_text(content)
    result = seqlab(*command(str(language.path)))
    assert result.status == 2
    assert str(language.path) in result.err


@pytest.mark.parametrize(
    "file", ["model.safetensors", "training.safetensors", "training.json", "manifest.json"]
)
@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_damaged_checkpoint(refused, seqlab, runs: Path, file: str, damage: str) -> None:
    run = _unfinished()
    before, newest = checkpoints.checkpoints(run.checkpoints)[-2:]
    path, data = newest / file, (newest / file).read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(data[:-7])
    elif damage == "changed":
        path.write_bytes(data[:-7] + b"?" + data[-6:])
    for command in ("resume", "evaluate", "sample"):
        result = refused(command, str(run.path))
        assert str(newest) in result
        assert f"Delete it to continue from {before.name}" in result
    shutil.rmtree(newest)
    assert seqlab("resume", str(run.path)).status == 0


def test_a_checkpoint_of_another_run(refused, runs: Path) -> None:
    run, other = (
        _unfinished(),
        tiny.broken_off(tiny.BRACKETS, "seed=2", "training.checkpoint_seconds=0", step=5),
    )
    newest = checkpoints.checkpoints(run.checkpoints)[-1]
    shutil.rmtree(newest)
    shutil.copytree(checkpoints.checkpoints(other.checkpoints)[-1], newest)
    assert "belongs to another run" in refused("resume", str(run.path))


def test_no_checkpoint_yet(refused, runs: Path) -> None:
    run = tiny.broken_off(tiny.BRACKETS, step=1)
    for command in ("evaluate", "sample"):
        assert "must have a checkpoint. Got none; `seqlab resume` it first" in refused(command, str(run.path))


@pytest.mark.parametrize("number", [1, 4])
def test_a_run_of_another_format(refused, language: RunFolder, number: int) -> None:
    about = json.loads((language.path / "run.json").read_text())
    (language.path / "run.json").write_text(json.dumps({**about, "format": number}))
    for command in ("resume", "evaluate", "sample"):
        assert f"must have run format 3. Got {number}." in refused(command, language.path.name)


def test_changed_data(refused, runs: Path, monkeypatch) -> None:
    run = tiny.broken_off(tiny.REVIEWS, step=2)
    monkeypatch.setattr(tiny.ReviewsConfig, "content_hash", lambda self: "f" * 64)
    for command in ("resume", "evaluate", "diagnose"):
        result = refused(command, str(run.path))
        assert "must be used with the data it began with: written by hand, SHA-256 6b86b273ff34" in result
        assert "Got other content: written by hand, SHA-256 ffffffffffff" in result


def test_a_config_changed_by_hand(refused, runs: Path) -> None:
    run = _unfinished()
    path = run.path / "config.toml"
    path.write_text(path.read_text().replace("epochs = 2", "epochs = 3"))
    for command in ("resume", "evaluate", "sample"):
        assert "config.toml was changed after the run began" in refused(command, str(run.path))


def test_a_run_in_use(seqlab, language: RunFolder) -> None:
    (language.path / "finished.json").unlink()
    with language.lock():
        for arguments in (["resume", language.path.name], ["evaluate", language.path.name], TRAIN):
            result = seqlab(*arguments)
            assert (result.status, result.out) == (1, "")
            assert "is in use by another process. Wait for it, or stop it" in result.err
            assert f"It is process {os.getpid()} on " in result.err
        assert seqlab("sample", language.path.name).status == 0, "reading needs no lock"


def test_a_runs_folder_that_is_a_file_is_refused(seqlab, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "file"))
    for arguments in (TRAIN, ["list", "runs"]):
        result = seqlab(*arguments)
        assert (result.status, result.out) == (2, "")
        assert "$SEQLAB_RUNS must name a folder." in result.err


def test_words_and_options_that_a_command_does_not_take(refused) -> None:
    assert "Only options may follow. Got 'one', 'two'." in refused("resume", "run", "one", "two")
    assert 'Did you mean "list"?' in refused("lits")
    assert "Did you mean --split?" in refused("evaluate", "run", "--splt", "test")
    assert "`seqlab --help` lists commands." in refused("--hlep")
    assert 'Did you mean "step"?' in refused("bench", "stepp")


@pytest.mark.parametrize("setting", ["data.train", "model.hidden_size", "samples.count"])
def test_a_number_too_large_for_a_float_is_a_size_as_any_other(
    refused: Callable[..., str], setting: str
) -> None:
    message = refused("params", "brackets-lstm", f"{setting}={'1' * 400}")
    assert setting.rpartition(".")[2] in message


def test_a_report_never_replaces_a_file_of_a_run(refused: Callable[..., str], language: RunFolder) -> None:
    before = (language.path / "run.json").read_bytes()
    message = refused("report", language.path.name, "--output", str(language.path / "run.json"))
    assert "'output' must not be a file of a run" in message
    assert (language.path / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["n" * 151, "n" * 300])
def test_a_name_has_at_most_150_letters(refused: Callable[..., str], name: str) -> None:
    assert "'name' must have at most 150 characters" in refused("params", "brackets-lstm", f"name={name}")


def test_no_whole_number_is_rounded(refused) -> None:
    """Each option of each command that is a whole number."""
    found = []
    for command in [app[name] for name in app if not name.startswith("-")]:
        commands = [command[name] for name in command if not name.startswith("-")] or [command]
        for each in commands:
            for argument in each.assemble_argument_collection():
                if int in (argument.hint, *get_args(argument.hint)):
                    found.append(argument.name)
                    words = [name.replace("bench-", "") for name in (*command.name, *each.name)]
                    words = list(dict.fromkeys(words))
                    positional = [] if words[0] == "bench" else ["name"]
                    message = refused(*words, *positional, f"{argument.name}=1.5")
                    assert f"{argument.name}: must be a whole number. Got '1.5'." in message, words
    assert {"--top", "--threads", "--seeds", "--count", "--font-size", "--processes"} <= set(found)
