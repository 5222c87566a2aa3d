"""The commands that pages show, and running them as a reader would: in order, in one folder."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from seqlab import cli
from seqlab.cli.app import app
from seqlab.experiment import recipes
from seqlab.runs import run_folder

ROOT = Path(__file__).parent.parent
MAKES_A_RUN = ("train", "ensemble")
USES_A_RUN = ("resume", "evaluate", "diagnose", "sample", "predict", "explain", "report", "remove")
# A synopsis names arguments in capitals or in brackets; what has neither can be run.
_SYNOPSIS = re.compile(r"\b[A-Z]{3,}\b|[\[|]|\.\.\.")
FILMS = ("film", "story", "end", "actor", "song", "picture", "scene", "plot")
_SMALL = {
    "ptb-lstm": ["model.hidden_size=16", "model.embedding_size=16"],
    "imdb-lstm": ["model.hidden_size=16", "data.max_length=20"],
    "imdb-lm": ["model.hidden_size=16", "model.embedding_size=16", "data.max_length=20"],
    "imdb-transfer": ["model.hidden_size=16", "model.embedding_size=16", "data.max_length=20"],
    "python-gru": ["data.max_bytes=60000"],
    "imdb-linear": ["model.linear_size=16", "data.max_length=20"],
}
"""By recipe, what makes its shown training small; each is cut to two steps besides."""


def shown(page: Path) -> list[str]:
    """Every `seqlab ...` line of a page's indented blocks, without its comment."""
    lines = re.findall(r"^    (seqlab .*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line.split("  #")[0].strip() for line in lines]


def commands() -> list[str]:
    """The names of all commands, in the order of the help page."""
    return [name for name in app if not name.startswith("-")]


def runnable(commands: list[str]) -> list[str]:
    """Those with no argument left open."""
    return [line for line in commands if not _SYNOPSIS.search(line.replace("|", " | "))]


def unclear(commands: list[str]) -> list[str]:
    """Commands that name a run which none, or several, of those trained before them can be."""
    trained: dict[frozenset[str], str] = {}
    found: list[str] = []
    for line in commands:
        command, *words = shlex.split(line)[1:]
        names = [word.removeprefix("name=") for word in words if word.startswith("name=")]
        if command in MAKES_A_RUN:
            trained[frozenset(words)] = names[0] if names else words[0]
        elif command in USES_A_RUN:
            known = list(trained.values())
            fitting = [name for name in known if name == words[0]] or [
                name for name in known if name.startswith(words[0])
            ]
            found += [line] if len(fitting) != 1 else []
    return found


def run_all(lines: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run command lines one after the other in a folder with a reader's files; all must end with status 0.

    Training is cut short.
    """
    monkeypatch.chdir(place)
    monkeypatch.setenv("SEQLAB_RUNS", str(place / "runs"))
    _write_files(place)
    made: list[str] = []
    for number, line in enumerate(lines):
        words = shlex.split(line)[1:]
        if words[0] == "train" and "model" in recipes.read(words[1]).table:
            words += ["training.max_steps=2", f"seed={number}", *_SMALL.get(words[1], [])]
        if words[0] == "study":
            sizes = ("train_size=40", "valid_size=20") if "imdb" in words[1] else ("train=40", "valid=20")
            words += [f"data.{size}" for size in (*sizes, "max_length=20")]
            words += ["training.max_steps=2", "seeds=1", f"name=study{number}"]
        if words[0] in USES_A_RUN:
            # The reader has one run of the name; here it is the first one made.
            words[1] = next(name for name in made if name.startswith(words[1]))
        assert cli.run(words) == 0, line
        made += [name for name in run_folder.names() if name not in made]


def _write_files(place: Path) -> None:
    """The files that pages speak of: a table of reviews, texts to label, running texts."""
    words = [f"{a} {b} {c}" for a in ("a", "this", "the") for b in ("good", "bad") for c in FILMS]
    rows = [f"{text},{label},{text},{label}" for text in words for label in [int("good" in text)]]
    table = "\n".join(["review,stars,text,label", *rows])
    (place / "reviews.csv").write_text(table, encoding="utf-8")
    for path in (ROOT / "examples").glob("*.py"):
        shutil.copy(path, place)
    axes = '[axes]\nmodel.cell = ["gru", "my_cells.py:minimal_gated_unit"]\n'
    (place / "own_arms.toml").write_text(f'base = "brackets-lstm"\n{axes}', encoding="utf-8")
    few = "data.path=reviews.csv training.epochs=1"
    members = f'["text-classifier {few}", "text-classifier {few} seed=2", "text-nbsvm data.path=reviews.csv"]'
    (place / "both.toml").write_text(f"[ensemble]\nmembers = {members}\n", encoding="utf-8")
    (place / "more.txt").write_text("a wonderful film\na bad end\n", encoding="utf-8")
    for name in ("book.txt", "one.txt", "two.txt"):
        text = "".join(f"{name} says The {line}.\n" for line in words * 20)
        (place / name).write_text(text, encoding="utf-8")
