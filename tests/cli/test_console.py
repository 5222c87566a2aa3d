"""What is printed on a terminal, in a pipe, with and without colour."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

import seqlab.cli
from seqlab.cli import console
from seqlab.cli.console import print_json, print_line, print_pairs, print_table
from seqlab.cli.progress_bars import ProgressBars
from seqlab.cli.progress_display import ProgressDisplay, working
from seqlab.cli.study_display import StudyDisplay
from seqlab.runs.study_records import Trial
from seqlab.schema.records import Text
from seqlab.studies.job import JobOutcome
from seqlab.training.callback import Counted
from seqlab.training.progress import Progress


def at(step: int) -> Progress:
    """The progress of a run with 8 steps per epoch and 1,000 tokens per step."""
    counters = {"step": step, "epoch": step // 8, "batch": step % 8, "tokens": 1000 * step}
    return dataclasses.replace(Progress.begin(), batches_in_epoch=8, **counters)


class Clock:
    """Seconds that pass when a test advances them."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Screen(io.StringIO):
    """What a terminal receives."""

    def isatty(self) -> bool:
        return True


def terminal_of(width: int, clock: Clock) -> Console:
    return Console(
        file=Screen(),
        force_terminal=True,
        force_interactive=True,
        width=width,
        highlight=False,
        soft_wrap=True,
        get_time=clock,
    )


@pytest.fixture(params=[80, 160])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Console:
    """A terminal in place of standard error."""
    screen = terminal_of(request.param, clock)
    monkeypatch.setattr(console, "err", lambda: screen)
    return screen


def shown(bars: ProgressBars) -> list[str]:
    """The lines that a user sees now."""
    screen = Console(file=io.StringIO(), width=bars.console.width)
    screen.print(bars.get_renderable())
    lines = _text(screen).splitlines()
    assert all(len(line) <= bars.console.width for line in lines)
    return [line.strip() for line in lines]


def _text(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def train(display: ProgressDisplay, clock: Clock) -> None:
    """Half an epoch with 4,000 tokens in two seconds; one epoch and a half remain."""
    for step in range(8, 13):
        display.step(at(step), 2.5 - step / 12, 3)
        clock.now += 0.5


def test_the_bar_shows_epoch_loss_speed_and_time_left(terminal: Console, clock: Clock) -> None:
    with working("Reading", quiet=False) as display:
        train(display, clock)
        (line,) = shown(display.bars)
    assert line.endswith("epoch 1.50 of 3  loss 1.500  2,000 tokens/s  0:06 left")
    assert line.startswith("━━━━━━━━")


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (54, "epoch 1.50 of 3  loss 1.500  2,000 tokens/s  0:06 left"),
        (40, "epoch 1.50 of 3  loss 1.500  2,000 toke…"),
        (20, "epoch 1.50 of 3  lo…"),
    ],
)
def test_on_a_narrow_terminal_the_text_comes_first(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, width: int, line: str
) -> None:
    screen = terminal_of(width, clock)
    monkeypatch.setattr(console, "err", lambda: screen)
    with working("Reading", quiet=False) as display:
        train(display, clock)
        assert shown(display.bars) == [line]


def test_the_bar_is_drawn_on_the_terminal_and_removed_at_the_end(terminal: Console, clock: Clock) -> None:
    with working("Reading", quiet=False) as display:
        train(display, clock)
        display.bars.refresh()
        assert "epoch 1.50 of 3  loss 1.500" in _text(terminal)
    erased_line = "\x1b[2K"
    assert _text(terminal).endswith((erased_line, erased_line + "\x1b[?25h"))


def test_a_resumed_run_has_the_speed_of_its_new_steps(terminal: Console, clock: Clock) -> None:
    with working("Reading", quiet=False) as display:
        display.step(at(8), 2.0, 3)
        (line,) = shown(display.bars)
        assert line.endswith("epoch 1.00 of 3  loss 2.000")


def test_scoring_has_a_bar_below_that_of_training(terminal: Console, clock: Clock) -> None:
    with working("Reading", quiet=False) as display:
        display.step(at(8), 2.0, 3)
        display.scored(5, 20)
        training, scoring = shown(display.bars)
        assert training.endswith("loss 2.000")
        assert scoring.endswith("scoring, batch 5 of 20")
        display.scored(20, 20)
        assert len(shown(display.bars)) == 1


def test_work_that_takes_longer_than_two_seconds_is_shown(terminal: Console, clock: Clock) -> None:
    with working("Reading and encoding imdb", quiet=False) as display:
        clock.now += 1.9
        assert shown(display.bars) == []
        clock.now += 1.2
        (line,) = shown(display.bars)
        assert line.endswith("Reading and encoding imdb ... 3 s")
        display.step(at(8), 2.0, 3)
        (line,) = shown(display.bars)
        assert line.endswith("loss 2.000"), "the bar of training replaces it"


def test_no_work_is_shown_right_after_training_has_ended(terminal: Console, clock: Clock) -> None:
    with working("Reading", quiet=False) as display:
        clock.now += 60
        display.step(at(24), 2.0, 3)
        assert shown(display.bars) == []
        clock.now += 3
        (line,) = shown(display.bars)
        assert line.endswith("Working ... 3 s")


@pytest.mark.parametrize("quiet", [True, False])
def test_no_bar_without_a_terminal_and_none_when_quiet(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, quiet: bool
) -> None:
    screen = Console(file=Screen() if quiet else io.StringIO(), force_terminal=quiet, width=80)
    monkeypatch.setattr(console, "err", lambda: screen)
    with working("Reading", quiet=quiet) as display:
        display.step(at(8), 2.0, 3)
        display.scored(5, 20)
        display.message("Starting.")
        display.validated(at(16), {"loss": 1.25}, best=True)
    expected = "Starting.\nepoch 2, step 16: validation loss 1.2500  (best so far)\n"
    assert _text(screen) == ("" if quiet else expected)


BRACKETS = "(" + "()" * 50
SAMPLES = [
    Text(name="sample", prompt="(", text=BRACKETS[1:], complete=True),
    Text(name="sample", prompt="", text="Who?\n\x1b[1m", complete=True),
    Text(name="sample", prompt="", text="third", complete=True),
]


@pytest.mark.parametrize("width", [40, 80])
def test_samples_are_lines_of_the_terminals_width(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, width: int
) -> None:
    screen = terminal_of(width, clock)
    monkeypatch.setattr(console, "err", lambda: screen)
    with working("Reading", quiet=False) as display:
        display.sampled(SAMPLES, Counted(47, 50))
    written = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", _text(screen))
    head, first, second = (line for line in written.splitlines() if line.startswith(" "))
    assert head.rstrip() == "  valid 47 of 50 samples:"
    assert first == f"    {BRACKETS[: width - 9]} ..."
    assert cell_len(first) == width - 1
    assert second == r"    Who?\n\x1b[1m"


@pytest.mark.parametrize("quiet", [True, False])
def test_samples_without_a_terminal(monkeypatch: pytest.MonkeyPatch, clock: Clock, quiet: bool) -> None:
    screen = Console(file=io.StringIO(), width=1_000_000)
    monkeypatch.setattr(console, "err", lambda: screen)
    texts = [dataclasses.replace(SAMPLES[2], complete=False), dataclasses.replace(SAMPLES[2], text="")]
    with working("Reading", quiet=quiet) as display:
        display.sampled(texts, None)
        display.sampled(SAMPLES[:1], None)
    lines = ["  samples:", "    third ...", "    (empty)", "  samples:", f"    {BRACKETS[:71]} ..."]
    assert _text(screen) == ("" if quiet else "".join(f"{line}\n" for line in lines))


def trial(number: int) -> Trial:
    setting = {"training.optimizer.learning_rate": 0.1}
    return Trial(
        number=number,
        architecture="lstm",
        setting=setting,
        seed=2,
        epochs=(),
        run="",
        config={},
        baseline=False,
    )


def test_a_study_has_a_bar_for_all_runs_and_one_for_each_running(terminal: Console, clock: Clock) -> None:
    display = StudyDisplay(quiet=False)
    display.started(trial(3), 10)
    display.started(trial(4), 10)
    for quarter in range(1, 4):
        clock.now += 10
        display.progressed(3, quarter / 4, "loss 0.500")
    study, third, fourth = shown(display.bars)
    # Of 10 runs, 2 and three quarters are done; a quarter takes 10 seconds.
    assert study.endswith("2 of 10 runs  4:50 left")
    assert third.endswith("lstm learning_rate=0.1, seed 2  loss 0.500  0:10 left")
    assert fourth.endswith("lstm learning_rate=0.1, seed 2")
    display.ended(trial(3), JobOutcome("finished"), 0.25)
    assert len(shown(display.bars)) == 2
    assert "   3/10  lstm learning_rate=0.1, seed 2  0.2500" in _text(terminal)
    display.close()


@pytest.mark.parametrize("quiet", [True, False])
def test_a_study_without_a_terminal_has_a_line_for_each_run(
    monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    screen = Console(file=Screen() if quiet else io.StringIO(), force_terminal=quiet, width=80)
    monkeypatch.setattr(console, "err", lambda: screen)
    display = StudyDisplay(quiet=quiet)
    display.started(trial(1), 2)
    display.progressed(1, 0.5, "loss 0.500")
    display.message(1, "Note: short.")
    display.message(2, "Note: short.")
    display.ended(trial(1), JobOutcome("failed", "The loss became nan."), None)
    display.ended(trial(2), JobOutcome("interrupted"), None)
    display.close()
    expected = "run 1: Note: short.\n   1/2  lstm learning_rate=0.1, seed 2  failed: The loss became nan.\n"
    assert _text(screen) == ("" if quiet else expected)


def test_a_terminal_wraps_lines_between_words_and_never_inside_a_path(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    screen = terminal_of(30, clock)
    monkeypatch.setattr(console, "out", lambda: screen)
    print_line("Run folder: /home/somebody/a-very-long-name/of-a-folder/runs")
    print_line("validation loss 0.5756, perplexity 1.7782, accuracy 0.6348")
    assert _text(screen).splitlines() == [
        "Run folder:",
        "/home/somebody/a-very-long-name/of-a-folder/runs",
        "validation loss 0.5756,",
        "perplexity 1.7782, accuracy",
        "0.6348",
    ]


def test_a_terminal_wraps_headings_and_errors_between_words_too(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    screen = terminal_of(20, clock)
    monkeypatch.setattr(console, "out", lambda: screen)
    monkeypatch.setattr(console, "err", lambda: screen)
    console.print_heading("Compared with the true distribution")
    assert seqlab.cli.run(["list", "no-such-thing"]) == 2
    lines = re.sub(r"\x1b\[[?\d]*[a-zA-Z]", "", _text(screen)).splitlines()
    assert lines[:2] == ["Compared with the", "true distribution"]
    assert lines[2].startswith("seqlab: ")
    assert all(cell_len(line) <= 20 or " " not in line for line in lines)


def test_wrapping_counts_cells_and_keeps_line_breaks_and_indents(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    screen = terminal_of(12, clock)
    monkeypatch.setattr(console, "out", lambda: screen)
    print_line("\n  \u96fb\u5f71 \u96fb\u5f71 \u96fb\u5f71 x\nend")
    assert _text(screen).split("\n") == ["", "  \u96fb\u5f71 \u96fb\u5f71", "\u96fb\u5f71 x", "end", ""]


ROWS = [["\u96fb\u5f71", 1234], ["e\u0301t\u00e9", 5], ["[bold]:smile:", 16]]


def test_wide_and_combining_characters_keep_a_table_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["\u6587", "count"], ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert {cell_len(line) for line in lines} == {20}
    assert [line.split() for line in lines[1:]] == [
        [ROWS[0][0], "1,234"],
        [ROWS[1][0], "5"],
        [ROWS[2][0], "16"],
    ]
    print_pairs({"\u96fb\u5f71": 1, "abc": "x"})
    assert capsys.readouterr().out == "\u96fb\u5f71  1\nabc   x\n"


def test_a_long_table_in_a_pipe_is_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "value"], [["x" * 3000, "y" * 3000]])
    assert capsys.readouterr().out.splitlines()[1] == f"{'x' * 3000}  {'y' * 3000}"


def test_a_table_in_a_pipe_has_no_spaces_at_the_ends_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["n", "text"], [[1, "a"], [2, "a longer one"], [3, ""]])
    assert capsys.readouterr().out == "n  text\n1  a\n2  a longer one\n3\n"


def test_a_terminal_too_narrow_for_a_table_shows_rows_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    screen = terminal_of(20, clock)
    monkeypatch.setattr(console, "out", lambda: screen)
    print_table(["", "name of a thing", "value"], [["first one", "a rather long text", 1.5]])
    assert _text(screen) == "first one\nname of a thing: a\nrather long text\nvalue: 1.5\n\n"


def test_words_of_a_table_are_not_broken_while_titles_can_be(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    screen = terminal_of(40, clock)
    monkeypatch.setattr(console, "out", lambda: screen)
    print_table(["cell", "steps per run", "time per run"], [["gru-reset-before", "420", "0:03"]])
    assert "gru-reset-before" in _text(screen).split()


def test_a_line_break_in_a_cell_is_escaped_and_lines_of_a_tuple_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["a\tb"], [["x\ny"], [("one", "two")]])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        r"a\tb",
        r"x\ny",
        "one",
        "two",
    ]


def test_numbers_of_json_that_are_not_finite_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.5, (float("inf"),)], "b": {"c": -float("inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5, [None]], "b": {"c": None}}


@pytest.mark.parametrize("columns", ["0", "-5", "abc", "", "\u00b2"])
def test_a_width_that_is_none_is_ignored(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stdout", Screen())
    assert console.out().width >= 20
    assert console.help_console().width >= 20


def test_commands_print_by_the_functions_of_the_console_alone() -> None:
    """A print of their own could pass a terminal escape, or read markup in data."""
    found = []
    for path in Path(seqlab.cli.__path__[0]).glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich"):
                found.append((path.stem, "rich"))
            elif isinstance(node, ast.Name) and node.id == "print":
                found.append((path.stem, "print"))
            elif isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr"):
                found.append((path.stem, "stream"))
    with_rich = {name for name, what in found if what == "rich"}
    displays = {"progress_bars", "progress_display", "study_display"}
    assert with_rich == {"coloured_text", "console", "help_pages", *displays}
    assert not {name for name, what in found if what == "print"}
    assert {name for name, what in found if what == "stream"} == {
        "__init__",
        "console",
        "interrupts",
        "streams",
    }


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
