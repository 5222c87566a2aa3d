"""What is printed on a terminal, in a pipe, with and without colour."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from seqlab.cli import console
from seqlab.cli.console import ProgressLine, say, working
from seqlab.schema.records import Moment


@dataclass
class At:
    """A place in training."""

    moment: Moment
    step: int = field(init=False)
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.step, self.tokens = self.moment.step, self.moment.tokens


def at(step: int) -> At:
    return At(Moment(step=step, epoch=step / 10, tokens=1000 * step))


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal of 80 columns in the place of standard error."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False, soft_wrap=True)
    monkeypatch.setattr(console, "err", screen)
    return screen


def shown(line: ProgressLine) -> list[str]:
    screen = Console(file=io.StringIO(), width=80)
    screen.print(line._render())
    return [text.strip() for text in _text(screen).splitlines()]


def _text(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_the_bar_shows_epoch_loss_rate_and_time_left(terminal: Console, clock: Clock) -> None:
    line = ProgressLine(quiet=False)
    try:
        line.step(at(10), 2.0, 3)
        clock.now += 2
        line.step(at(15), 1.5, 3)
        (bar,) = shown(line)
    finally:
        line.close()
    # Half an epoch and 5,000 tokens in two seconds; one epoch and a half to go.
    assert bar.endswith("epoch 1.50 of 3  loss 1.500  2,500 tokens/s  0:06 left")
    assert len(bar) <= 80


def test_scoring_has_a_bar_of_its_own_below_that_of_training(terminal: Console, clock: Clock) -> None:
    line = ProgressLine(quiet=False)
    try:
        line.step(at(10), 2.0, 3)
        line.scored(5, 20)
        assert [bar.split("  ")[-1] for bar in shown(line)] == [
            "loss 2.000",
            "scoring, batch 5 of 20",
        ]
        line.scored(20, 20)
        assert len(shown(line)) == 1
    finally:
        line.close()


def test_what_takes_longer_than_two_seconds_is_shown(terminal: Console, clock: Clock) -> None:
    with working("Reading and encoding imdb", quiet=False) as line:
        clock.now += 1.9
        assert shown(line) == []
        clock.now += 1.2
        assert shown(line) == ["Reading and encoding imdb ... 3 s"]


@pytest.mark.parametrize("quiet", [True, False])
def test_no_bar_without_a_terminal_and_none_when_quiet(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    screen = Console(file=io.StringIO(), force_terminal=quiet, width=80)
    monkeypatch.setattr(console, "err", screen)
    line = ProgressLine(quiet=quiet)
    line.step(at(10), 2.0, 3)
    line.scored(5, 20)
    line.message("Starting.")
    line.validated(at(20), {"loss": 1.25}, best=True)
    line.close()
    said = _text(screen)
    wanted = "Starting.\nepoch 2, step 20: validation loss 1.2500  (best so far)\n"
    assert said == ("" if quiet else wanted)


def test_a_terminal_breaks_lines_between_words_and_never_inside_a_path() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=30, highlight=False, soft_wrap=True)
    say("Run folder: /home/somebody/a-very-long-name/of-a-folder/runs", screen)
    say("validation loss 0.5756, perplexity 1.7782, accuracy 0.6348", screen)
    assert _text(screen).splitlines() == [
        "Run folder:",
        "/home/somebody/a-very-long-name/of-a-folder/runs",
        "validation loss 0.5756,",
        "perplexity 1.7782, accuracy",
        "0.6348",
    ]


@pytest.mark.parametrize(
    "command", [["--help"], ["list", "models"], ["params", "brackets-lstm", "data.train=9"]]
)
@pytest.mark.parametrize("where", ["pipe", "no-color"])
def test_no_colour_in_a_pipe_and_none_with_no_color(command: list[str], where: str, tmp_path) -> None:
    plain = "import sys; from seqlab.cli import run; sys.exit(run(sys.argv[1:]))"
    on_a_terminal = "import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'seqlab', *sys.argv[1:]]))"
    program = on_a_terminal if where == "no-color" else plain
    environment = {**_environment(str(tmp_path)), **({"NO_COLOR": "1"} if where == "no-color" else {})}
    done = subprocess.run(
        [sys.executable, "-c", program, *command], env=environment, capture_output=True, text=True, check=True
    )
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|4[0-7]|[34]8;)[0-9;]*m", done.stdout)
    assert ("\x1b[" in done.stdout) == (where == "no-color"), "bold is no colour"


def _environment(folder: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    return {**kept, "TERM": "xterm-256color", "SEQLAB_CACHE": folder, "SEQLAB_RUNS": folder}
