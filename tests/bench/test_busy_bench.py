"""Speed on one and on several threads, alone and beside other work; and the processes that make it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import count
from multiprocessing import active_children

import pytest
import torch
from small_workloads import SMALL

from seqlab.bench import busy_bench
from seqlab.bench.burner import Burners, burners
from seqlab.bench.busy_bench import measure, row
from seqlab.bench.measure import WARM_ROUNDS
from seqlab.bench.workloads import PLAIN, WORKLOADS, of_seqlab
from seqlab.experiment import matmul_choice
from seqlab.nn.matmul import TORCH

PROGRAM = """
from seqlab.bench.burner import burners
from multiprocessing import active_children
with burners(2) as switch:
    switch.switch(on=True)
    print(*(child.pid for child in active_children()), flush=True)
    input()
"""


class Switch(Burners):
    """Records what is running beside each measurement."""

    def __init__(self) -> None:
        self.states: list[tuple[bool, int]] = []

    def switch(self, *, on: bool) -> None:
        self.states.append((on, torch.get_num_threads()))


def test_every_round_takes_the_four_speeds_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once per reading and room for one step, a step takes two ticks."""
    monkeypatch.setattr(busy_bench, "MEASURED_SECONDS", 2.0)
    monkeypatch.setattr(matmul_choice, "fastest", lambda: TORCH)
    work, switch, ticks = SMALL["ndfa-lstm"], Switch(), count()
    taken = measure(work, 2, 2, switch, clock=lambda: float(next(ticks)))
    tokens = work.batch_size * work.sequence_length
    assert taken == {
        name: [tokens / 2] * 2 for name in ("idle_one", "idle_several", "busy_one", "busy_several")
    }
    assert [on for on, _ in switch.states] == [False, False, True, True] * (WARM_ROUNDS + 2) + [False]


def test_ratios_are_those_of_each_round() -> None:
    taken = {
        "idle_one": [10.0, 20.0, 30.0],
        "idle_several": [20.0, 20.0, 15.0],
        "busy_one": [4.0, 4.0, 4.0],
        "busy_several": [2.0, 4.0, 8.0],
    }
    measured = row(SMALL["ptb-lstm"], taken)
    assert (measured.idle_ratio.lower, measured.idle_ratio.median, measured.idle_ratio.upper) == (
        0.75,
        1,
        1.5,
    )
    assert (measured.busy_ratio.lower, measured.busy_ratio.median, measured.busy_ratio.upper) == (
        0.75,
        1,
        1.5,
    )
    assert (measured.idle_one.median, measured.busy_several.median, measured.goal) == (20, 4, 0.9)


def test_workloads_of_seqlab_alone() -> None:
    assert [work.name for work in of_seqlab([])] == [
        name for name, work in WORKLOADS.items() if work.against == PLAIN
    ]


def _children() -> set[int | None]:
    return {child.pid for child in active_children()}


def test_burners_end_with_the_block() -> None:
    before = _children()
    with burners(2) as switch:
        switch.switch(on=True)
        assert len(_children() - before) == 2
    assert _children() <= before


def test_burners_end_when_their_parent_is_killed() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    os.kill(process.pid, signal.SIGKILL)
    # The pipe is closed when the last process that inherited it has ended.
    assert process.communicate(timeout=60)[0] == ""
