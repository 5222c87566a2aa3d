"""A language model and a classifier that starts from it, for the tests of transfer."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from safetensors.torch import load_file
from torch import Tensor

from seqlab.runs import checkpoints
from seqlab.runs.checkpoints import MODEL
from seqlab.runs.run_folder import RunFolder

SIZES = ["model.embedding_size=4", "model.hidden_size=4", "model.layers=2"]
SHORT = ["training.epochs=3", "training.tensorboard=false", "training.record_every=1"]
WORDS = {"good": ["fine", "lovely", "great"], "bad": ["awful", "dull", "poor"]}
DATA = ["data.path=films.csv", "data.unlabelled_path=more.txt"]
FROZEN = ["training.unfreeze_every=99"]
"""Only the head is trained, so that everything else is what training started from."""


def use_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder with a labelled and an unlabelled table."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rows = [f"a {WORDS[label][k % 3]} film {k},{label}\n" for k in range(24) for label in WORDS]
    (tmp_path / "films.csv").write_text("text,label\n" + "".join(rows))
    (tmp_path / "more.txt").write_text("".join(f"a quiet film {k}, not seen\n" for k in range(30)))


def language_model_recipe(*settings: str) -> list[str]:
    overrides = ["data.kind=table", *DATA, "name=films-lm", *SIZES, *SHORT, "samples.count=0", *settings]
    return ["text-lm", *overrides]


def language_model(*settings: str) -> RunFolder:
    return tiny.fit(language_model_recipe(*settings))


def classifier(*settings: str) -> list[str]:
    kind = ["model.kind=recurrent-classifier", "model.init_from=films-lm"]
    return ["text-classifier", *DATA, *kind, *SIZES, "model.linear_size=3", *SHORT, *settings]


def weights(found: RunFolder) -> dict[str, Tensor]:
    """Of the run's best checkpoint, read without seqlab."""
    return load_file(found.checkpoints / checkpoints.name(found.summary()["best_step"]) / MODEL)
