"""README: its commands work, its figures are those of the cards."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from seqlab import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip() for line in re.findall(r"^    (seqlab .*)$", README, flags=re.MULTILINE)
]
# The synopsis of all commands names arguments in capitals; the examples are what can be run.
EXAMPLES = [line for line in COMMANDS if not re.search(r"\b(RUN|RECIPE|NAME|TEXT)\b|\[", line)]


def _publish():
    spec = importlib.util.spec_from_file_location("publish", ROOT / "scripts" / "publish.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_are_those_of_the_cards() -> None:
    publish = _publish()
    found = publish.cards()
    assert (ROOT / "RESULTS.md").read_text(encoding="utf-8") == publish.results_page(found)
    assert publish.readme_with(README, publish.readme_table(found)) == README


def test_the_synopsis_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    listed = set(re.findall(r"^│ ([a-z]+)  ", capsys.readouterr().out, flags=re.MULTILINE))
    assert {line.split()[1] for line in COMMANDS} == listed


@pytest.mark.slow
@pytest.mark.data
def test_every_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In order, in one folder, as a reader would; training is cut to a few steps and few scored texts."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    assert len(EXAMPLES) >= 8
    for number, line in enumerate(EXAMPLES):
        words = shlex.split(line)[1:]
        if words[0] == "train":
            words += ["training.max_steps=2", f"seed={number}", *_small(words[1])]
        if words[0] in ("sample", "predict"):
            # The reader has one run of the name; here it is the first one made.
            words[1] = sorted(path.name for path in tmp_path.glob(f"{words[1]}*"))[0]
        assert cli.run(words) == 0, line


def _small(recipe: str) -> list[str]:
    sizes = {
        "ptb-lstm": ["model.hidden_size=16", "model.embedding_size=16"],
        "imdb-lstm": ["model.hidden_size=16", "data.max_length=20"],
    }
    return sizes.get(recipe, [])
