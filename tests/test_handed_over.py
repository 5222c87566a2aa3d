"""Classes and functions handed over in Python: from a file, from a notebook's cell, and what is refused."""

from __future__ import annotations

import linecache
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import own_cells
import own_data
import own_metrics
import own_models
import own_optimizers
import pytest
import tiny
import torch

import seqlab
from seqlab.experiment.handed_over import assignments, code_path
from seqlab.schema import own_code
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError

CELL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, vocabulary, size=4):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.rnn = nn.GRU(size, size, batch_first=True)
        self.output = nn.Linear(size, vocabulary)

    def forward(self, tokens):
        return self.output(self.rnn(self.embedding(tokens))[0])
"""
SIZES = [setting for setting in tiny.BRACKETS[1:] if not setting.startswith("model.")]
SIZES += ["samples.checked=2", "samples.checked_at_end=2", "training.epochs=1"]
SETTINGS: dict[str, Any] = dict(setting.split("=") for setting in SIZES)


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))


def run_cell(
    text: str, monkeypatch: pytest.MonkeyPatch, name: str = "<cell-1>", **known: Any
) -> dict[str, Any]:
    """Execute a cell as IPython does: its text is known to `linecache`, and to no file."""
    monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
    namespace: dict[str, Any] = {"__name__": "__main__", **known}
    exec(compile(text, name, "exec"), namespace)
    return namespace


def copied(run: seqlab.Run, key: str) -> list[str]:
    return [path.read_text() for path in (run.path / "code" / key).iterdir()]


def test_a_class_of_a_cell_is_copied_with_its_whole_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    net = run_cell(CELL, monkeypatch)["Net"]
    run = seqlab.train("brackets-lstm", {**SETTINGS, "model.arguments.size": 6, "model": net})
    assert copied(run, "model.path") == [CELL]
    assert plain(run.config)["model"]["arguments"] == {"size": 6}
    again = seqlab.train("brackets-lstm", {**SETTINGS, "model": net, "model.arguments.size": 6})
    assert again.path == run.path
    changed = run_cell(f"{CELL}\nunused = 1\n", monkeypatch, "<cell-2>")["Net"]
    other = seqlab.train("brackets-lstm", {**SETTINGS, "model": changed, "model.arguments.size": 6})
    assert other.path != run.path
    assert len(run.sample("(", count=1, length=3)) == 1


def test_every_kind_is_handed_over() -> None:
    run = seqlab.train(
        "imdb-linear",
        {
            "data": own_data.reviews,
            "data.tokenizer": own_data.words,
            "training.optimizer": own_optimizers.SignMomentum,
            "training.optimizer.learning_rate": 0.05,
            "task.metrics": ["loss", own_metrics.quadratic, own_metrics.Hits],
            "task.monitor": "quadratic",
            **{
                key: value
                for key, value in (setting.split("=") for setting in tiny.REVIEWS[1:])
                if not key.startswith(("data", "training.optimizer"))
            },
            "training.epochs": 2,
            "training.patience": None,
        },
    )
    assert set(run.metrics) == {"loss", "quadratic", "Hits"}
    assert copied(run, "data.path") == [Path(own_data.__file__).read_text()]


def test_a_cell_function_and_a_check() -> None:
    run = seqlab.train("brackets-lstm", {**SETTINGS, "model.cell": own_cells.minimal_gated_unit})
    assert copied(run, "model.cell") == [Path(own_cells.__file__).read_text()]
    assert seqlab.check(own_models.MixesRows).faults


def test_a_study_takes_classes_and_functions_as_arms() -> None:
    gru, tuned = own_models.GruLanguageModel, {"kind": "import", "path": own_models.DictLanguageModel}
    small = {"data": {"train": 60, "valid": 20, "test": 20, "max_length": 20}, "training.epochs": 1}
    small |= {"samples.checked": 2, "samples.checked_at_end": 2}
    base = {"base": "brackets-lstm", "seeds": [1], "settings": small}
    models = seqlab.study({**base, "name": "models", "axes": {"model": [gru, tuned]}})
    assert set(models.table["architecture"]) == {
        "own_models.py:GruLanguageModel",
        "own_models.py:DictLanguageModel",
    }
    cells = seqlab.study(
        {**base, "name": "cells", "axes": {"model.cell": ["gru", own_cells.minimal_gated_unit]}}
    )
    assert set(cells.table["architecture"]) == {"gru", "own_cells.py:minimal_gated_unit"}
    optimizer = {
        "training": {"optimizer": own_optimizers.SignMomentum},
        "training.optimizer.learning_rate": 0.1,
    }
    one = seqlab.study({**base, "name": "one", "settings": {**small, **optimizer}})
    assert one.runs[0].settings["training"]["optimizer"]["path"].endswith("own_optimizers.py:SignMomentum")


def test_values_are_written_as_settings() -> None:
    settings = {
        "training": {"epochs": 3, "patience": None},
        "model.arguments.name": "12",
        "model.arguments.sizes": (1, 2),
        "model": {"kind": "import", "path": "net.py:Net"},
        "data.level": "word",
        "training.tensorboard": False,
    }
    assert assignments(settings) == [
        "model.kind=import",
        "training.epochs=3",
        "training.patience=none",
        'model.arguments.name="12"',
        "model.arguments.sizes=[1, 2]",
        "model.path=net.py:Net",
        "data.level=word",
        "training.tensorboard=false",
    ]


def test_a_cell_that_needs_another_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torch import nn

    body = CELL.replace("import torch\n", "").replace("from torch import nn\n", "")
    net = run_cell(body, monkeypatch, torch=torch, nn=nn)["Net"]
    with pytest.raises(UserError, match=r"The cell that defines Net must run alone.*NameError: name 'nn'"):
        code_path(net)


def test_a_cell_that_trains_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{CELL}\nimport seqlab\nseqlab.train('brackets-lstm', {{'model': Net}})\n"
    with pytest.raises(UserError, match=r"without what trains.*another file or cell"):
        run_cell(text, monkeypatch)


@pytest.mark.slow
def test_a_script_that_trains_at_its_top_is_refused_in_one_sentence(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    call = "    import seqlab\n    seqlab.train('brackets-lstm', {'model': Net, 'training.epochs': 'x'})\n"
    found = []
    for guard in ("if True:\n", "if __name__ == '__main__':\n"):
        script.write_text(CELL + guard + call)
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        found.append(done.stderr.strip().splitlines()[-1])
    assert "must not be used while it is imported" in found[0]
    assert "'training.epochs' must be an integer" in found[1]


def local_class() -> type:
    class Local:
        def step(self, x, h, u):
            return h

    return Local


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (local_class(), "local_class.<locals>.Local"),
        (lambda x, h, u: h, "<lambda>"),
        (len, "len"),
        (int, "int"),
        (eval("lambda x, h, u: h"), "<lambda>"),
    ],
)
def test_what_has_no_source_of_its_own_is_refused(value: Any, got: str) -> None:
    with pytest.raises(UserError, match=f"must be defined at the top level .* Got {got}"):
        code_path(value)


def test_a_class_without_methods_is_found_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent("class Empty(dict):\n    pass\n"))
    value = own_code.load(f"{file}:Empty").value
    assert code_path(value) == f"{file}:Empty"


def test_a_file_that_changed_since_it_was_imported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    Path("changing.py").write_text("def f(x, h, u):\n    return h + x.a\n")
    import changing  # pyright: ignore[reportMissingImports]

    assert code_path(changing.f) == f"{tmp_path}/changing.py:f"
    Path("changing.py").write_text("def f(x, h, u):\n    return h - x.a\n")
    with pytest.raises(UserError, match=r"changing.py:f must be what was imported from it"):
        code_path(changing.f)


def test_a_class_of_a_package_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        UserError, match=r"Got LSTM of torch\.nn\.modules\.rnn: .* Nearest: a function of your"
    ):
        code_path(torch.nn.LSTM)


@pytest.mark.parametrize("settings", [5, [5], {"data.train"}, b"a=1"])
def test_settings_of_another_type_are_refused(settings: Any) -> None:
    with pytest.raises(UserError, match=r"must be a list of key=value, or a dict\. Got "):
        assignments(settings)
    with pytest.raises(UserError, match=r"'recipe' must be the name of a recipe.* Got None"):
        seqlab.train(None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match=r"'threads' must be a whole number\. Got 1\.5"):
        seqlab.train("brackets-lstm", threads=1.5)  # pyright: ignore[reportArgumentType]
