"""A study written by hand: every cell is known."""

from __future__ import annotations

from collections.abc import Iterable

import folders

from seqlab.runs import study_folder
from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import Event, Trial

RATE = "training.optimizer.learning_rate"
WHY = "The loss became nan at step 2 (epoch 1). Training stopped."


def loss(cell: str, rate: float, seed: int) -> float:
    """LSTM below GRU; 0.1 the better rate of LSTM, 0.3 that of GRU; seeds 0.01 apart."""
    better = {"lstm": 0.1, "gru": 0.3}[cell]
    return {"lstm": 0.5, "gru": 0.7}[cell] + (0.0 if rate == better else 0.25) + 0.01 * seed


def make(
    name: str = "known",
    *,
    seeds: tuple[int, ...] = (1, 2, 3),
    failed: bool = True,
    success: float | None = None,
    runs: str = "toy",
) -> StudyFolder:
    """Two cells, rates 0.1 and 0.3, and 9, at which every run failed; some seeds each."""
    about = {"name": name, "about": "which cell", "expectation": "GRU first.", "success": success}
    study = study_folder.begin(name, about, {}, "0.1.0")
    for seed in seeds:
        for cell in ("lstm", "gru"):
            for rate in (0.1, 0.3, 9.0) if failed else (0.1, 0.3):
                _trial(study, runs, cell, rate, seed)
    return study


def add_baseline(study: StudyFolder, kind: str, value: float) -> None:
    """Add a baseline, which every other run is compared with."""
    run, number = folders.baseline(name=kind, kind=kind, loss=value), len(study.trials()) + 1
    known = {"setting": {}, "seed": 1, "epochs": (), "config": {}, "baseline": True}
    study.add_trial(Trial(number=number, architecture=kind, run=run.path.name, **known))
    study.add_event(Event(trial=number, state="finished", reason="fitted"))


def _trial(study: StudyFolder, name: str, cell: str, rate: float, seed: int) -> None:
    number, fails = len(study.trials()) + 1, rate == 9.0
    value = 5.0 if fails else loss(cell, rate, seed)
    run = folders.make(
        name=name, cell=cell, seed=seed, loss=value, finished=not fails, optimizer="adam", rate=str(rate)
    )
    study.add_trial(
        Trial(
            number=number,
            architecture=cell,
            setting={RATE: rate},
            seed=seed,
            epochs=(),
            run=run.path.name,
            config={},
            baseline=False,
        )
    )
    state, reason = ("failed", WHY) if fails else ("finished", "2 of 2 epochs done")
    study.add_event(Event(trial=number, state=state, reason=reason))


NAMES = (
    "constructor",
    "__proto__",
    "line\u2028separator",
    'it\'s "quoted" \\',
    folders.HOSTILE,
    "=cmd|calc",
    "![picture](http://example.invalid/a.png) www.example.invalid [link](javascript:alert(1))",
    "control\x00\x1b[31m\x9b",
    "long" * 100,
)
"""Names that a page, a chart, a spreadsheet or a terminal could interpret."""


def make_hostile(cells: Iterable[tuple[str, str]]) -> StudyFolder:
    """A run for each pair of an architecture and a setting."""
    study = study_folder.begin("hostile", {"about": folders.HOSTILE, "expectation": "none"}, {}, "0.1.0")
    for number, (architecture, path) in enumerate(cells, start=1):
        run = folders.make(cell=f"cell{number}", loss=0.5 + number / 100)
        study.add_trial(
            Trial(
                number=number,
                architecture=architecture,
                setting={"data.path": path, "layers": number % 2},
                seed=1,
                epochs=(),
                run=run.path.name,
                config={},
                baseline=False,
            )
        )
        study.add_event(Event(trial=number, state="finished", reason="2 of 2 epochs done"))
    return study


CLASSES = (
    "agriculture and fisheries",
    "agriculture and forestry",
    "arts",
    "business",
    "computers",
    "games",
    "health",
    "home and garden, plants and flowers",
    "news",
    "recreation",
    "science",
    "sports",
)
"""Twelve classes, some with long names that begin alike."""


def make_wide() -> StudyFolder:
    """Thirty runs: five models with long names, at three learning rates, with two seeds each."""
    study = study_folder.begin(
        "wide", {"about": "which model is best", "expectation": "The largest one."}, {}, "0.1.0"
    )
    for size in (16, 32, 64, 128, 256):
        for rate in (0.01, 0.03, 0.1):
            for seed in (1, 2):
                number = len(study.trials()) + 1
                value = 1.0 - size / 500 + abs(rate - 0.03) + seed / 100
                name = f"recurrent-lm cell=gru-reset-before hidden_size={size} layers=2 dropout=0.5"
                run = folders.make(
                    name="wide",
                    cell=f"gru-{size}",
                    seed=seed,
                    loss=value,
                    optimizer="adam",
                    rate=str(rate),
                )
                known = {
                    "setting": {RATE: rate},
                    "seed": seed,
                    "epochs": (),
                    "config": {},
                    "baseline": False,
                }
                study.add_trial(Trial(number=number, architecture=name, run=run.path.name, **known))
                study.add_event(Event(trial=number, state="finished", reason="2 of 2 epochs done"))
    return study
