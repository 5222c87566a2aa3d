"""`seqlab completion`: scripts that shells accept, what may follow, and what bash makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclopts import App

from seqlab.cli import run
from seqlab.cli.app import app
from seqlab.cli.candidates import candidates, shell_lines
from seqlab.cli.completion_sources import ARGUMENTS, OPTIONS
from seqlab.cli.shell_scripts import SCRIPTS
from seqlab.experiment import recipes
from seqlab.models.layer_kinds import LAYERS
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder


def _texts(line: str) -> list[str]:
    return [one.text for one in candidates(app, line)]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_accepts_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "seqlab" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def _commands(found: App, above: str = "") -> list[tuple[str, App]]:
    names = [name for name in found if not name.startswith("-")]
    inner = [(f"{above}{name}", found[name]) for name in names]
    return [
        pair
        for name, one in inner
        for pair in ([(name, one)] if one.default_command else _commands(one, f"{name} "))
    ]


def test_every_command_says_what_its_arguments_are() -> None:
    commands = dict(_commands(app))
    assert list(ARGUMENTS) == list(commands)
    for name, command in commands.items():
        collection = command.assemble_argument_collection()
        positional = [one for one in collection if not one.names[0].startswith("-")]
        assert bool(positional) == bool(ARGUMENTS[name]), name


def test_every_option_with_values_belongs_to_a_command() -> None:
    named = {
        name
        for _, command in _commands(app)
        for argument in command.assemble_argument_collection()
        for name in argument.names
    }
    assert set(OPTIONS) <= named


def test_layers_are_completed_by_their_numbers() -> None:
    recipe = "seqlab train battlefield-cnn "
    first = [f"model.layers.0.{name}=" for name in ("kind", "filters", "widths")]
    assert _texts(f"{recipe}model.layers.") == [*first, "model.layers.1.kind="]
    kinds = [f"model.layers.1.kind={name}" for name in LAYERS]
    assert _texts(f"{recipe}model.layers.1.kind=") == kinds
    assert _texts(f"{recipe}model.layers.1.kind=max-pool model.layers.1.w") == ["model.layers.1.width="]
    chain = "seqlab train imdb-lstm model.kind=sequential-classifier model.layers."
    assert _texts(chain) == ["model.layers.0.kind="]
    assert "model.layers.0.cell=gru" in _texts(f"{chain}0.kind=recurrent model.layers.0.cell=")


def test_commands_and_options() -> None:
    assert _texts("seqlab tr") == ["train"]
    assert _texts("seqlab bench ") == ["step", "layers", "busy"]
    assert _texts("seqlab --v") == ["--version"]
    assert "--file" in _texts("seqlab predict --f")
    assert "train" in [one.text for one in candidates(app, "seqlab ") if "Train a recipe" in one.about]


def test_recipes_are_those_that_ship() -> None:
    shipped = {path.stem for path in (Path(recipes.__file__).parents[1] / "recipes").glob("*.toml")}
    assert set(_texts("seqlab train ")) == shipped
    assert _texts("seqlab show 'brackets-lstm-c") == ["brackets-lstm-course"]
    assert _texts("seqlab params brackets-gru brackets-l") == ["brackets-lstm", "brackets-lstm-course"]


def test_settings_are_those_of_the_recipe_with_what_was_chosen() -> None:
    assert "training.epochs=" in _texts("seqlab train brackets-lstm ")
    assert "model.heads=" not in _texts("seqlab train brackets-lstm model.")
    assert "model.heads=" in _texts("seqlab train brackets-lstm model.kind=transformer-lm model.")
    assert _texts("seqlab train brackets-lstm model.cell=g") == [
        "model.cell=gru",
        "model.cell=gru-reset-before",
    ]
    assert "training.optimizer.kind=sgd" in _texts("seqlab train brackets-lstm training.optimizer.kind=")
    assert _texts("seqlab train brackets-lstm model.tied=t") == ["model.tied=true"]
    assert _texts("seqlab study brackets-cells see") == ["seeds="]
    assert "max_length=" in _texts("seqlab data show brackets ")


def test_values_of_options() -> None:
    assert _texts("seqlab evaluate run --split te") == ["test"]
    assert _texts("seqlab evaluate run --split=te") == ["--split=test"]
    assert _texts("seqlab check my_net.py:Net --task ") == [
        "classify",
        "language-model",
        "translate",
        "regress",
    ]
    assert "macro_f1" in _texts("seqlab evaluate run --metric macro")
    assert _texts("seqlab explain run --method occ") == ["occlusion"]
    # A switch takes no value: what follows it is an argument again.
    assert "brackets-lstm" in _texts("seqlab train --json brackets-ls")


def test_names_of_runs(language: RunFolder, classifier: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = language.path.name, classifier.path.name
    known = [first, second]
    monkeypatch.setattr(run_folder, "names", lambda: known)
    for command in (
        "evaluate",
        "sample",
        "diagnose",
        "predict",
        "explain",
        "report",
        "remove",
        "show",
        "check",
    ):
        assert _texts(f"seqlab {command} {first[:-1]}") == [first], command
    assert _texts(f"seqlab remove {first} ") == [second]
    # Both are finished, so that there is nothing to resume; a text to label is nobody's name.
    assert _texts("seqlab resume ") == []
    assert _texts(f"seqlab predict {second} ") == []


def test_no_line_is_too_odd() -> None:
    for line in ("", "seqlab", "seqlab nothing x", "seqlab train 'a b", 'seqlab train "', "seqlab train \\"):
        assert isinstance(_texts(line), list), line


def test_a_wrong_recipe_completes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash", "seqlab train nothing training."]) == 2
    assert capsys.readouterr().out == ""


def test_each_shell_has_its_format() -> None:
    line = "seqlab evaluate run --split=te"
    found = candidates(app, line)
    assert shell_lines(found, "bash", line) == ["test"]
    assert shell_lines(found, "fish", line) == ["--split=test"]
    line = "seqlab list mod"
    assert shell_lines(candidates(app, "seqlab resum"), "zsh", "") == ["resume:Resume an interrupted run"]
    assert shell_lines(candidates(app, "seqlab resum"), "fish", "") == ["resume\tResume an interrupted run"]
    assert shell_lines(candidates(app, line), "zsh", line) == ["models"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "fish", "seqlab resum", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"text": "resume", "about": "Resume an interrupted run"}]


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bsh"]) == 2
    assert "Nearest: 'bash'" in capsys.readouterr().err


@pytest.fixture
def bash(tmp_path: Path) -> Callable[[str], list[str]]:
    """What bash offers at the end of a line."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    command = tmp_path / "seqlab"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seqlab "$@"\n')
    command.chmod(0o755)

    def offered(line: str) -> list[str]:
        ask = f"COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; _seqlab {command}"
        script = "\n".join([SCRIPTS["bash"], ask, 'printf "%s\\n" "${COMPREPLY[@]}"'])
        ended = subprocess.run(["bash"], input=script, text=True, capture_output=True, check=True)
        assert ended.stderr == ""
        return ended.stdout.split("\n")[:-1]

    return offered


def test_bash_offers_what_may_follow(bash: Callable[[str], list[str]]) -> None:
    assert bash("seqlab tr") == ["train"]
    assert bash("seqlab train brackets-lstm training.optimizer.kind=adam") == ["adam", "adamw"]
    assert bash("seqlab train no-recipe training.") == [""]
