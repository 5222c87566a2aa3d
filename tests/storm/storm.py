"""`make storm`: kills, disks that fill up, and damaged inputs.

storm.py [--inputs N] [--kills N] [--disks N] [--seed N] [--folder FOLDER] prints counts and
every problem, with what reproduces it; the exit status is 1 where there was one.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import disks
import fuzz
import kills

ADDRESS_SPACE = 12 << 30
"""Bytes that the process of damaged inputs may map, so that a missing limit cannot stop the machine."""


def main() -> int:
    """Run what the arguments ask for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="damaged inputs")
    parser.add_argument("--kills", type=int, default=200, help="processes to kill")
    parser.add_argument("--disks", type=float, default=1.2, help="factor between sizes of disks; 0: none")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument("--folder", type=Path, help="where to work; kept. Default: a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return _run(arguments, arguments.folder or Path(temporary) / "storm")


def _run(arguments: argparse.Namespace, folder: Path) -> int:
    problems: list[str] = []
    if arguments.kills:
        killed = kills.storm(arguments.kills, arguments.seed, folder / "kills")
        print(f"kills: {killed.kills}, in {killed.rounds} rounds of {killed.commands} commands", flush=True)
        problems += killed.problems
    if arguments.disks and not disks.mountable(folder / "mountable"):
        print("disks: none can be mounted here", flush=True)
    elif arguments.disks:
        full = disks.storm(folder / "disks", arguments.disks)
        print(f"disks: {full.commands} commands, of which {full.full} found too little space", flush=True)
        problems += full.problems
    if arguments.inputs:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        tried = fuzz.Fuzzer(folder / "inputs", arguments.seed)(arguments.inputs)
        for kind, count in tried.inputs.items():
            print(f"{kind}: {count}")
        print("exit status:", ", ".join(f"{status}: {n}" for status, n in sorted(tried.statuses.items())))
        problems += tried.problems
    print(*(f"- {problem}" for problem in problems), sep="\n")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
