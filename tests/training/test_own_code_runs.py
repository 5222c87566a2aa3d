"""Runs of one's own code: which run it is, the copy in its folder, and who may execute it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import own_cells
import own_files
import own_models
import pytest
import tiny
import torch
from safetensors.torch import load_file

from seqlab import cli
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.experiment import recipes
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.training import run

SIZES = [setting for setting in tiny.BRACKETS[1:] if not setting.startswith("model.")]
SIZES += ["samples.checked=2", "samples.checked_at_end=2", "training.epochs=1", "training.matmul=torch"]
NET = """from pathlib import Path
from sizes import SIZE
from torch import nn
Path("executed").touch()

class Net(nn.Module):
    def __init__(self, vocabulary, size=SIZE):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.rnn = nn.GRU(size, size, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(size, vocabulary)

    def forward(self, tokens):
        return self.head(self.dropout(self.rnn(self.embedding(tokens))[0]))
"""

LONG = ["training.epochs=30", "training.matmul=torch"]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    Path("net.py").write_text(NET)
    Path("sizes.py").write_text("SIZE = 4\n")


def own(path: str = "net.py:Net", *further: str) -> list[str]:
    return ["brackets-lstm", *SIZES, "model.kind=import", f"model.path={path}", *further]


def fit(recipe: list[str], callback: tiny.Nobody | None = None) -> RunFolder:
    return tiny.fit(recipe, callback=callback)


def weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    (path,) = folder.checkpoints.iterdir()
    return load_file(path / "model.safetensors")


def another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is trusted, and the files of the user are not there."""
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "other-cache"))
    for name in ("net.py", "sizes.py", "executed"):
        Path(name).unlink()


def test_the_folder_holds_a_copy_that_evaluates_predicts_and_repeats_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = tiny.Nobody()
    made = fit(own(), callback)
    copy = made.path / "code" / "model.path"
    assert {path.name for path in copy.iterdir()} == {"net.py", "sizes.py"}
    assert (copy / "net.py").read_text() == NET
    notes = [message for message in callback.messages if "net.py:Net is called with" in message]
    record = made.code()
    assert record is not None
    assert len(notes) == 1
    assert notes[0].removeprefix("Note: ") in record["notes"]
    before = evaluate_run(made, "test", ())["metrics"]
    for name in ("net.py", "sizes.py"):
        Path(name).unlink()
    assert evaluate_run(made, "test", ())["metrics"] == before
    texts = load_run(made).sample("(", count=2, length=5, options=SamplingOptions(), seed=1)
    assert len(texts) == 2
    config, _ = recipes.configure(str(made.path / "config.toml"))
    assert run.train(config, callback=tiny.Nobody())["run"] == str(made.path)


def test_a_relative_and_an_absolute_path_are_one_run(tmp_path: Path) -> None:
    made = fit(own())
    assert fit(own(f"{tmp_path}/here/net.py:Net")).path == made.path
    assert fit(own("../here/net.py:Net")).path == made.path


def test_data_at_a_relative_and_an_absolute_path_is_one_run(tmp_path: Path) -> None:
    own_files.write(Path(), "text-classifier")
    first, _ = recipes.configure("text-nbsvm", ["data.path=films.csv"])
    second, _ = recipes.configure("text-nbsvm", [f"data.path={tmp_path}/here/films.csv"])
    assert run.run_reference(first) == run.run_reference(second)
    shutil.copy("films.csv", "others.csv")
    third, _ = recipes.configure("text-nbsvm", ["data.path=others.csv"])
    assert run.run_reference(third) == run.run_reference(second), "its content decides"
    Path("others.csv").write_text("text,label\na film,good\nan end,bad\n")
    assert run.run_reference(third) != run.run_reference(second)


@pytest.mark.parametrize("file", ["net.py", "sizes.py"])
def test_changed_code_is_another_run_and_says_so(file: str) -> None:
    first = fit(own())
    text = Path(file).read_text()
    Path(file).write_text(text + "\nunused = 1\n")
    callback = tiny.Nobody()
    second = fit(own(), callback)
    assert second.path != first.path
    (note,) = [message for message in callback.messages if "other code" in message]
    one, two = (folder.code() for folder in (first, second))
    assert one is not None
    assert two is not None
    assert f"{first.path.name} was trained with other code of net.py:Net, SHA-256 " in note
    assert one["entries"]["model.path"]["sha256"][:12] in note
    assert two["entries"]["model.path"]["sha256"][:12] in note
    Path(file).write_text(text)
    assert fit(own()).path == first.path


def test_killed_and_resumed_is_bit_identical_with_dropout_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["training.epochs=3", "training.checkpoint_seconds=0"]
    torch.manual_seed(1)
    whole = weights(fit(own("net.py:Net", *settings)))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    config = tiny.configure(own("net.py:Net", *settings, "name=killed"))
    with pytest.raises(KeyboardInterrupt):
        run.train(config, callback=tiny.Nobody(tiny.stop_at(7)))
    assert torch.equal(torch.get_rng_state(), before), "the generators of the process are as before"
    torch.manual_seed(3)
    Path("net.py").write_text(NET.replace("0.5", "0.1"))
    callback = tiny.Nobody()
    killed = run_folder.find("killed")
    run.resume(killed, callback=callback)
    assert any("the run's copy of net.py:Net" in message for message in callback.messages)
    resumed = weights(killed)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    Path("net.py").write_text(NET.replace("0.5", "0.0"))
    without = weights(fit(own("net.py:Net", *settings)))
    assert not all(torch.equal(whole[name], without[name]) for name in whole), "dropout acts"


def test_code_of_another_machine_needs_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    made = fit(own())
    another_machine(monkeypatch, tmp_path)
    refused = (
        r"must be trusted, because it would run .*code/model.path/net.py:Net \(SHA-256 \w{12}\).*--trust"
    )
    with pytest.raises(UserError, match=refused):
        load_run(made)
    with pytest.raises(UserError, match=refused):
        evaluate_run(made, "valid", ())
    with pytest.raises(UserError, match=refused):
        recipes.configure(str(made.path / "config.toml"))
    Path("extended.toml").write_text(f'base = "{made.path}/config.toml"\n')
    assert cli.run(["params", "extended.toml"]) == 2
    assert not Path("executed").exists()
    for command in ("evaluate", "sample", "diagnose"):
        assert cli.run([command, str(made.path)]) == 2
        assert "repeat with --trust" in capsys.readouterr().err
    # Neither of these executes anything.
    assert cli.run(["list", "runs"]) == 0
    assert cli.run(["report", str(made.path), "-o", "report.html"]) == 0
    assert "net.py:Net" in Path("report.html").read_text()
    assert not Path("executed").exists()
    capsys.readouterr()
    assert cli.run(["evaluate", str(made.path), "--trust"]) == 0
    assert Path("executed").exists()
    assert load_run(made, trust=True).model is not None


def test_an_unfinished_run_of_another_machine_needs_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.configure(own("net.py:Net", "training.checkpoint_seconds=0"))
    with pytest.raises(KeyboardInterrupt):
        run.train(config, callback=tiny.Nobody(tiny.stop_at(2)))
    made = run_folder.find("brackets-lstm")
    another_machine(monkeypatch, tmp_path)
    with pytest.raises(UserError, match="must be trusted"):
        run.resume(made, callback=tiny.Nobody())
    assert not Path("executed").exists()
    run.resume(made, callback=tiny.Nobody(), trust=True)
    assert made.finished


@pytest.mark.parametrize("change", ["changed", "added", "removed", "named", "link"])
def test_a_changed_copy_is_refused_and_never_executed(change: str, tmp_path: Path) -> None:
    made = fit(own())
    record = made.code()
    assert record is not None
    recorded = record["entries"]["model.path"]["sha256"][:12]
    copy = made.path / "code" / "model.path"
    Path("executed").unlink()
    expected = rf"code/model.path must hold the code .* with, SHA-256 {recorded}. Got SHA-256 \w{{12}}\."
    match change:
        case "changed":
            (copy / "net.py").write_text(NET + "x = 1\n")
        case "added":
            (copy / "torch_extension.py").write_text("")
        case "removed":
            (copy / "sizes.py").unlink()
        case "named":
            (made.path / "code.json").unlink()
            expected = "must name the run's own copy of code"
        case _:
            shutil.move(copy / "net.py", "elsewhere.py")
            (copy / "net.py").symlink_to(Path("elsewhere.py").absolute())
            expected = "must be a plain file. Got a link"
    with pytest.raises(UserError, match=expected):
        load_run(run_folder.open_run(made.path), trust=True)
    assert not Path("executed").exists()


def test_a_classifier_of_ones_own_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.register(monkeypatch)
    shutil.copy(own_models.__file__, "nets.py")
    reviews = [setting for setting in tiny.REVIEWS if not setting.startswith("model.")]
    made = fit([*reviews, "model.kind=import", "model.path=nets.py:LastStepClassifier", *LONG])
    loaded = load_run(made)
    together = loaded.predict(["a good film", "a bad film to see"])
    singly = [loaded.predict([text])[0] for text in ("a good film", "a bad film to see")]
    for one, other in zip(together, singly, strict=True):
        assert one == pytest.approx(other)
    assert together[0]["positive"] > 0.5 > together[1]["positive"]


def test_a_cell_of_ones_own_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(own_cells.__file__, "my_cells.py")
    cell = ["brackets-lstm", *SIZES, "model.cell=my_cells.py:minimal_gated_unit", "model.hidden_size=4"]
    first = fit(cell)
    assert first.settings()["model"]["cell"] == "code/model.cell/my_cells.py:minimal_gated_unit"
    assert evaluate_run(first, "test", ())["metrics"]
    text = Path("my_cells.py").read_text()
    Path("my_cells.py").write_text(text.replace("(1 - f) * h + f * n", "f * h + (1 - f) * n"))
    assert fit(cell).path != first.path
    another_machine_cache = tmp_path / "other-cache"
    monkeypatch.setenv("SEQLAB_CACHE", str(another_machine_cache))
    with pytest.raises(UserError, match="must be trusted"):
        load_run(first)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.path=net.py:Nett", r"There is no class or function 'Nett' in net.py. Nearest: 'Net'"),
        ("model.path=nett.py:Net", r"nett.py must be a Python file. Got no such file. Nearest: 'net.py'"),
        ("model.arguments.sizes=3", r"There is no argument 'sizes' of net.py:Net. Nearest: 'size'"),
        ("model.arguments=3", r"'model.arguments' is a table: set one of its keys"),
    ],
)
def test_wrong_input_ends_with_status_2_and_leaves_no_run(setting: str, message: str, capsys) -> None:
    assert cli.run(["train", *own("net.py:Net", setting)]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert "Traceback" not in error
    assert run_folder.names() == []


def test_an_error_in_the_middle_of_training_names_the_line_of_the_user(capsys) -> None:
    broken = (
        "if self.training and len(tokens) != 3:\n            raise KeyError('odd')\n        return self.head"
    )
    Path("net.py").write_text(NET.replace("return self.head", broken))
    assert cli.run(["train", *own()]) == 2
    assert re.search(
        r"net.py:16 failed while it read \d+ sequences of \d+ tokens: KeyError: 'odd'",
        capsys.readouterr().err,
    )
