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
from scenarios import (
    FURTHER,
    SCENARIOS,
    Scenario,
    differences,
    outcomes,
    remove,
    run_paths,
    start,
    undisturbed,
)

from seqlab.cli.interrupts import INTERRUPTED

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
SIGNALS: Sequence[Sequence[int]] = (
    (signal.SIGKILL,),
    (signal.SIGKILL,),
    (signal.SIGTERM,),
    (signal.SIGINT, signal.SIGINT),
)
"""How a process is ended: at once, by request, by two requests."""
_EXIT_SECONDS = 20
"""Longest time in which the processes of a killed one end."""


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


def storm(
    kills: int, seed: int, folder: Path, scenarios: Sequence[Scenario] = (*SCENARIOS, *FURTHER)
) -> KillReport:
    """Kill the scenarios' processes, in turns, until there were so many kills and each had its turn.

    Half of the kills come after a random time, half at a random one of the calls that change files.
    """
    report, draw = KillReport(), random.Random(seed)
    measured = {
        scenario.name: _measured(scenario, folder / "undisturbed" / scenario.name) for scenario in scenarios
    }
    while (report.kills < kills or report.rounds < len(scenarios)) and report.rounds < 2 * kills:
        scenario = scenarios[report.rounds % len(scenarios)]
        where = folder / f"round-{report.rounds}"
        before = len(report.problems)
        if _round(scenario, measured[scenario.name], where, draw, report):
            found = differences(outcomes(folder / "undisturbed" / scenario.name), outcomes(where))
            found += [f"still running: {name}" for name in _running_on(where)]
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
            report.kills += _killed(scenario, command, folder, draw, report)
        process = start(scenario.arguments(command.words, folder), folder)
        _, err = process.communicate(timeout=600)
        report.commands += 1
        if process.returncode != 0:
            report.problems.append(f"{folder.name}: {' '.join(command.words[:2])}: {err[-500:]}")
            return False
    return True


def _killed(
    scenario: Scenario, command: _Command, folder: Path, draw: random.Random, report: KillReport
) -> bool:
    """Start a command and end it; whether it ended of that, or was finished before."""
    words, signals = scenario.arguments(command.words, folder), draw.choice(SIGNALS)
    if draw.random() < 0.5 and command.calls:
        variables = {"KILL_AT": str(draw.randint(1, command.calls)), "KILL_WITH": " ".join(map(str, signals))}
        process = _counting(words, folder, **variables)
        _, err = process.communicate(timeout=600)
    else:
        process = start(words, folder)
        try:
            _, err = process.communicate(timeout=draw.uniform(0, command.seconds))
        except subprocess.TimeoutExpired:
            for number in signals:
                process.send_signal(number)
            _, err = process.communicate()
    # A signal before the program begins has the effect that it has on any program.
    ended = {INTERRUPTED, *(-number for number in signals)}
    if process.returncode not in {0, *ended} or (process.returncode >= 0 and "Traceback" in err):
        report.problems.append(
            f"{folder.name}: {words[0]} with {signals}: exit status {process.returncode}: {err[-300:]}"
        )
    return process.returncode in ended


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


def _running_on(folder: Path) -> list[str]:
    """The processes that still work in a folder, after the time that they have to end."""
    running: list[str] = []
    for _ in range(10 * _EXIT_SECONDS):
        running = [
            path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if _works_in(path, folder)
        ]
        if not running:
            break
        time.sleep(0.1)
    return running


def _works_in(environ: Path, folder: Path) -> bool:
    try:
        return f"SEQLAB_RUNS={folder}/runs".encode() in environ.read_bytes()
    except OSError:
        return False


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
