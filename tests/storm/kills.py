"""Processes killed at random moments, and between any two steps of writing, end with the same outcome."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from experiments import counting_program
from scenarios import SCENARIOS, Scenario, differences, outcomes, remove, run_paths, start, undisturbed

FUNCTIONS = (
    "fsync",
    "rename",
    "replace",
    "unlink",
    "rmdir",
    "mkdir",
    "open",
    "link",
    "ftruncate",
    "truncate",
)
"""What writing, pruning and reporting consist of."""


@dataclass
class KillReport:
    """kills: that took effect. rounds: of a scenario. commands: run to their end. problems: in words."""

    kills: int = 0
    rounds: int = 0
    commands: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Command:
    """A command of a scenario and what it takes undisturbed: seconds and calls of `FUNCTIONS`."""

    words: Sequence[str]
    seconds: float
    calls: int


def storm(kills: int, seed: int, folder: Path) -> KillReport:
    """Kill the scenarios' processes, in turns, until there were so many kills.

    Half of the kills come after a random time, half at a random one of the calls that change files.
    """
    report, draw = KillReport(), random.Random(seed)
    measured = {
        scenario.name: _measured(scenario, folder / "undisturbed" / scenario.name) for scenario in SCENARIOS
    }
    while report.kills < kills and report.rounds < 2 * kills:
        scenario = SCENARIOS[report.rounds % len(SCENARIOS)]
        where = folder / f"round-{report.rounds}"
        before = len(report.problems)
        if _round(scenario, measured[scenario.name], where, draw, report):
            found = differences(outcomes(folder / "undisturbed" / scenario.name), outcomes(where))
            report.problems += [f"{where.name}, {scenario.name}: {text}" for text in found]
        # What shows a problem is kept.
        if len(report.problems) == before:
            remove(where)
        report.rounds += 1
    return report


def _round(
    scenario: Scenario, commands: Sequence[_Command], folder: Path, draw: random.Random, report: KillReport
) -> bool:
    """Kill and repeat every command; whether all of them ended well."""
    scenario.prepare(folder)
    for command in commands:
        for _ in range(draw.choice((1, 2, 3))):
            report.kills += _killed(scenario, command, folder, draw)
        process = start(scenario.arguments(command.words, folder), folder)
        _, err = process.communicate(timeout=600)
        report.commands += 1
        if process.returncode != 0:
            report.problems.append(f"{folder.name}: {' '.join(command.words[:2])}: {err[-500:]}")
            return False
    return True


def _killed(scenario: Scenario, command: _Command, folder: Path, draw: random.Random) -> bool:
    """Start a command and kill it; whether it died of that, or was finished before."""
    words = scenario.arguments(command.words, folder)
    if draw.random() < 0.5 and command.calls:
        process = _counting(words, folder, KILL_AT=str(draw.randint(1, command.calls)))
        process.communicate(timeout=600)
    else:
        process = start(words, folder)
        try:
            process.communicate(timeout=draw.uniform(0, command.seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    return process.returncode == -signal.SIGKILL


def _measured(scenario: Scenario, folder: Path) -> list[_Command]:
    """Run a scenario undisturbed; what each of its commands takes."""
    seconds: list[float] = []
    counts = folder.with_name(f"{folder.name}.calls")

    def timed(words: Sequence[str], where: Path) -> subprocess.Popen[str]:
        seconds.append(time.monotonic())
        return _counting(words, where, CALLS=str(counts))

    undisturbed(scenario, folder, timed)
    seconds.append(time.monotonic())
    calls = [int(line) for line in counts.read_text().split()]
    durations = [end - begin for begin, end in pairwise(seconds)]
    return [
        _Command(words, duration, count)
        for words, duration, count in zip(scenario.commands, durations, calls, strict=True)
    ]


def _counting(words: Sequence[str], folder: Path, **variables: str) -> subprocess.Popen[str]:
    return start(words, folder, counting_program(FUNCTIONS), **variables)


def stopped_run(settings: Sequence[str], folder: Path) -> Path:
    """The folder of a run that was killed in the middle of its training."""
    scenario = Scenario("stopped", [["train", *settings]])
    (command,) = _measured(scenario, folder / "whole")
    for quarter in (3, 2, 1):
        where = folder / f"stopped-{quarter}"
        scenario.prepare(where)
        _counting(command.words, where, KILL_AT=str(command.calls * quarter // 4)).communicate()
        for path in run_paths(where):
            if list(path.glob("checkpoints/step-*")) and not (path / "finished.json").exists():
                return path
    raise AssertionError("no kill hit the training")


def importable(*folders: Path) -> dict[str, str]:
    """The environment in which a process finds the modules that this one finds, and those of some folders."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, folders), *filter(None, sys.path)])}
