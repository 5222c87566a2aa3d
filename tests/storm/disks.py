"""Disks of growing size: a command that finds no space stops with a sentence, and ends well with more."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scenarios import FURTHER, SCENARIOS, Scenario, differences, outcomes, start, undisturbed

LARGEST = 64 << 10
"""Size, in KiB, at which a disk must be large enough."""


@dataclass
class DiskReport:
    """commands: run, each on a disk of some size. full: those that found no space. problems: in words."""

    commands: int = 0
    full: int = 0
    problems: list[str] = field(default_factory=list)


def mountable(folder: Path) -> bool:
    """Whether a disk of a given size can be mounted here."""
    folder.mkdir(parents=True)
    if not _mount(folder, 64):
        return False
    _unmount(folder)
    return True


def storm(folder: Path, factor: float, scenarios: Sequence[Scenario] = (*SCENARIOS, *FURTHER)) -> DiskReport:
    """Run the scenarios on disks whose size, in KiB, grows by a factor whenever one is full."""
    report = DiskReport()
    for scenario in scenarios:
        reference, disk = folder / "undisturbed" / scenario.name, folder / scenario.name
        undisturbed(scenario, reference)
        disk.mkdir(parents=True)
        if not _mount(disk, 16):
            report.problems.append(f"{scenario.name}: no disk can be mounted")
            continue
        try:
            _grow(scenario, disk / "work", disk, factor, report)
            found = differences(outcomes(reference), outcomes(disk / "work"))
            report.problems += [f"{scenario.name}: {text}" for text in found]
        finally:
            _unmount(disk)
    return report


def _grow(scenario: Scenario, folder: Path, disk: Path, factor: float, report: DiskReport) -> None:
    size = 16.0
    scenario.prepare(folder)
    for command in scenario.commands:
        while True:
            process = start(scenario.arguments(command, folder), folder)
            out, err = process.communicate(timeout=600)
            report.commands += 1
            if process.returncode == 0:
                break
            report.full += 1
            _check(f"{scenario.name}, {command[0]}, {size:.0f} KiB", process.returncode, out + err, report)
            size *= factor
            if size > LARGEST or not _mount(disk, int(size), remount=True):
                report.problems.append(f"{scenario.name}: not enough with {size:.0f} KiB: {err[-300:]}")
                return


def _check(case: str, status: int, printed: str, report: DiskReport) -> None:
    if status != 1:
        report.problems.append(f"{case}: exit status {status}: {printed[-300:]}")
    if "Internal error" in printed or "Traceback" in printed:
        report.problems.append(f"{case}: {printed[-300:]}")
    if "space" not in printed:
        report.problems.append(f"{case}: no word of the space that is missing: {printed[-300:]}")


def _mount(folder: Path, kib: int, *, remount: bool = False) -> bool:
    options = f"{'remount,' if remount else ''}size={kib}k"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], capture_output=True, check=True)
