"""Every command on tiny runs."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from seqlab.cli import console
from seqlab.cli.app import app
from seqlab.measure.metric_kinds import DIAGNOSTICS
from seqlab.report.position_losses import FEW_TARGETS
from seqlab.runs.cards import POSITION_LOSS, POSITION_TARGETS
from seqlab.runs.run_folder import RunFolder, open_run

COMMANDS = [
    *("demo", "list", "show", "data", "params", "train", "resume", "study", "evaluate", "diagnose"),
    *("check", "sample", "predict", "explain", "report", "remove", "clean", "completion", "bench"),
]
SLOW = {"demo", "study", "bench"}
"""Commands that take seconds; the tests of their own files read their JSON."""
SMALL = [f"model.{key}" for key in ("hidden_size=8", "heads=2", "layers=1", "feed_forward_size=8")]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_in_order_on_one_line_each(seqlab, arguments, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = seqlab(*arguments)
    assert result.status == 0
    listed = re.findall(r"^  ([a-z]+)  +[A-Z].*\.\s*$", result.out, flags=re.MULTILINE)
    assert listed == COMMANDS
    assert not set(result.out) & set("│╭╰─")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(seqlab, command: str) -> None:
    result = seqlab(command, "--help")
    assert result.status == 0
    assert f"Usage: seqlab {command}" in result.out


def test_version(seqlab) -> None:
    result = seqlab("--version")
    assert result.status == 0
    assert result.out.split(".")[0].isdigit()


def test_help_of_every_command_does_not_load_torch() -> None:
    code = f"""
import sys
from seqlab.cli import run
for command in {COMMANDS!r}:
    assert run([command, "--help"]) == 0
sys.exit(bool({{"torch", "polars", "sklearn", "scipy", "altair"}} & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("columns", ["1", "20", "40"])
def test_help_on_a_narrow_terminal_loses_no_word(seqlab, columns: str, monkeypatch) -> None:
    words = sorted("".join(seqlab("predict", "--help").out.split()))
    monkeypatch.setenv("COLUMNS", columns)
    lines = seqlab("predict", "--help").out.splitlines()
    assert sorted("".join("".join(lines).split())) == words
    assert max(map(len, lines)) <= int(columns)


def test_train_then_again_then_resume(seqlab, runs: Path) -> None:
    first = seqlab("train", *tiny.BRACKETS)
    assert first.status == 0
    (path,) = runs.iterdir()
    assert path.name.startswith("brackets-lstm-")
    assert "2 of 2 epochs done" in first.out
    assert "validation, best checkpoint (step " in first.out
    assert f"Run folder: {path}" in first.err
    assert "epoch 1, step " in first.err

    again = seqlab("train", *tiny.BRACKETS)
    assert (again.status, again.out) == (0, first.out)
    assert again.err.endswith(f"Data: brackets\n{path} is finished; nothing to do.\n")

    for name in (str(path), path.name, "brackets"):
        resumed = seqlab("resume", name)
        assert (resumed.status, resumed.out) == (0, first.out)
        assert resumed.err == f"{path} is finished; nothing to do.\n"


def test_json_of_training_is_the_summary_and_nothing_else(seqlab, runs: Path) -> None:
    result = seqlab("train", *tiny.BRACKETS, "--json")
    (path,) = runs.iterdir()
    assert result.err == ""
    assert json.loads(result.out) == open_run(path).summary()


def test_dropped_settings_are_reported(seqlab) -> None:
    result = seqlab("train", *tiny.BRACKETS, "model.kind=transformer-lm", *SMALL)
    assert "model.kind is now 'transformer-lm'; settings of 'recurrent-lm' were dropped: cell" in result.err
    assert result.status == 0


def test_a_resumed_run_equals_an_uninterrupted_one(
    seqlab, language: RunFolder, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "other"))
    run = tiny.broken_off(tiny.BRACKETS, step=8)
    result = seqlab("resume", str(run.path))
    assert result.status == 0
    assert "Continuing after step " in result.err
    assert (run.path / "records.jsonl").read_text() == (language.path / "records.jsonl").read_text()
    without = [
        {k: v for k, v in tiny.summary(r).items() if k not in ("cost", "run")} for r in (run, language)
    ]
    assert without[0] == without[1]


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_evaluate(seqlab, language: RunFolder, split: str) -> None:
    result = seqlab("evaluate", str(language.path), "--split", split)
    assert result.status == 0
    assert f"{language.path.name}, {split}: loss " in result.out
    card = json.loads((language.path / "cards" / f"{split}.json").read_text())
    assert f"checkpoint of step {card['checkpoint_step']}" in result.out
    assert card["sequences"] == {"train": 60, "valid": 20, "test": 20}[split]


def test_evaluate_gives_the_metrics_asked_for(seqlab, language: RunFolder) -> None:
    result = seqlab(
        "evaluate", language.path.name, "--metric", "loss", "--metric", "bits_per_token", "--json"
    )
    metrics = json.loads(result.out)["metrics"]
    assert list(metrics) == ["loss", "bits_per_token"]
    assert metrics["loss"] == tiny.summary(language)["metrics"]["loss"]


def test_evaluate_prints_the_loss_per_position(seqlab, language: RunFolder) -> None:
    lines = seqlab("evaluate", language.path.name).out.splitlines()
    curves = json.loads((language.path / "cards" / "valid.json").read_text())["curves"]
    targets = dict(zip(curves[POSITION_TARGETS]["x"], curves[POSITION_TARGETS]["y"], strict=True))
    losses = dict(zip(curves[POSITION_LOSS]["x"], curves[POSITION_LOSS]["y"], strict=True))
    groups = {"1": [1], "2": [2], "3-4": [3, 4], "5-8": range(5, 9), "9-16": range(9, 17)}
    begin = lines.index("loss per position: position in the text, from 1") + 2
    few = lines[-1].removeprefix(f"uncertain, with fewer than {FEW_TARGETS} targets: positions ").split(", ")
    for line, (title, positions) in zip(lines[begin:], groups.items(), strict=False):
        present = [position for position in positions if position in targets]
        count = sum(targets[position] for position in present)
        mean = sum(losses[position] * targets[position] for position in present) / count
        assert line.split() == [title, f"{mean:.4g}", f"{count:.0f}"]
        assert (title in few) == (count < FEW_TARGETS)
    assert "1" in few
    assert "3-4" not in few


def test_evaluate_prints_a_curve_and_the_card_keeps_its_numbers(seqlab, language: RunFolder) -> None:
    before = json.loads((language.path / "cards" / "valid.json").read_text())
    result = seqlab("evaluate", language.path.name, "--metric", "loss_per_position")
    after = json.loads((language.path / "cards" / "valid.json").read_text())
    curve = after["curves"]["loss_per_position"]
    assert result.status == 0
    assert re.search(rf"^ *1 +{curve['y'][0]:.4g}\b", result.out, flags=re.MULTILINE)
    assert "accuracy" not in result.out
    assert after["metrics"] == before["metrics"]


def test_diagnose(seqlab, language: RunFolder) -> None:
    kind = ("--diagnostic", "gradient-through-time", "--rows", "5")
    result = seqlab("diagnose", language.path.name, *kind)
    assert result.status == 0
    step = tiny.summary(language)["best_step"]
    assert result.out.startswith(f"{language.path.name}, valid, checkpoint of step {step}\n")
    content = json.loads(seqlab("diagnose", language.path.name, *kind, "--json").out)
    found = content["diagnostics"]["gradient-through-time"]
    assert all(sentence in result.out for sentence in found["found"])
    curve = found["records"][0]
    table = re.findall(r"^ *(\d+) +(\S+) +(\S+)$", result.out, flags=re.MULTILINE)
    last = len(curve["x"]) - 1
    assert [int(row[0]) for row in table] == sorted({0, *(2**k for k in range(9) if 2**k <= last), last})
    assert [row[1] for row in table] == [f"{curve['y'][int(row[0])]:.4g}" for row in table]


def test_several_runs_are_diagnosed_and_one_that_cannot_be_is_named(seqlab, language: RunFolder) -> None:
    other = tiny.fit(tiny.BRACKETS, "model.cell=gru", "name=other")
    names = language.path.name, other.path.name
    found = json.loads(seqlab("diagnose", *names, "--json").out)
    assert [one["run"] for one in found] == list(names)
    assert set(found[0]["diagnostics"]) == set(DIAGNOSTICS)
    result = seqlab("diagnose", "gone", names[1], "--diagnostic", "saturation")
    assert result.status == 0
    assert "There is no run 'gone'" in result.err
    assert "Layer 1, update gate: " in result.out
    result = seqlab("diagnose", names[1], "--diagnostic", "free-running")
    assert re.search(r"^position  teacher-forced loss +free-running loss +targets$", result.out, re.MULTILINE)
    assert seqlab("diagnose").status == 2


def test_texts_after_random_tokens(seqlab, language: RunFolder) -> None:
    arguments = ("sample", language.path.name, "--random-token", "--count", "20", "--length", "3")
    texts = json.loads(seqlab(*arguments, "--json").out)
    assert {text["prompt"] for text in texts} == {"(", ")"}
    assert texts == json.loads(seqlab(*arguments, "--json").out)
    refused = seqlab(*arguments, "--prompt", "(")
    assert refused.status == 2
    assert "'prompt' must be left out where texts begin with a random token. Got '('" in refused.err


def test_a_diagnosis_is_recorded_with_the_run(seqlab, language: RunFolder) -> None:
    before = (language.path / "records.jsonl").read_text()
    chosen = ("--split", "test", "--diagnostic", "gradient-through-time")
    content = json.loads(seqlab("diagnose", language.path.name, *chosen, "--json").out)
    added = (language.path / "records.jsonl").read_text().removeprefix(before).splitlines()
    curve, *_ = (json.loads(line) for line in added)
    assert (curve["name"], curve["split"]) == ("gradient_through_time_layer_1", "test")
    assert curve["step"] == content["checkpoint_step"] == tiny.summary(language)["best_step"]
    assert curve["y"] == content["diagnostics"]["gradient-through-time"]["records"][0]["y"]


def test_sample(seqlab, language: RunFolder) -> None:
    result = seqlab("sample", language.path.name, "--count", "3", "--length", "5", "--prompt", "((")
    assert result.status == 0
    lines = result.out.splitlines()
    assert [line[:6] for line in lines] == ["[1] ((", "[2] ((", "[3] (("]
    assert result.err == ""


def test_sample_is_fixed_by_its_seed(seqlab, language: RunFolder) -> None:
    asked = ["sample", language.path.name, "--count", "4", "--length", "30", "--json"]
    one, same, other = (seqlab(*asked, "--seed", seed).out for seed in ("1", "1", "2"))
    assert one == same != other
    assert {tuple(text) for text in json.loads(one)} == {("prompt", "text", "complete")}


def test_greedy_sampling_ignores_the_seed(seqlab, language: RunFolder) -> None:
    asked = ["sample", language.path.name, "--count", "2", "--length", "6"]
    outs = {
        seqlab(*asked, *choice, "--seed", seed).out
        for choice in (["--temperature", "0"], ["--top-k", "1"], ["--top-p", "1e-9"])
        for seed in ("1", "2")
    }
    assert len(outs) == 1


def test_what_a_prompt_is_read_as_is_said(seqlab, language: RunFolder) -> None:
    result = seqlab("sample", language.path.name, "--prompt", "(x", "--count", "1")
    assert result.status == 0
    assert "The model reads the prompt '(x' as '(.unk'" in result.err


def test_predict(seqlab, classifier: RunFolder, tmp_path: Path, monkeypatch) -> None:
    result = seqlab("predict", classifier.path.name, "a good film", "a bad film", "--json")
    answers = json.loads(result.out)
    assert [max(a["probabilities"], key=a["probabilities"].get) for a in answers] == ["positive", "negative"]
    assert all(sum(a["probabilities"].values()) == pytest.approx(1) for a in answers)

    shown = seqlab("predict", classifier.path.name, "a good film", "a bad film").out
    assert [line.split()[0] for line in shown.splitlines()] == ["positive", "negative"]
    (tmp_path / "texts.txt").write_text("a good film\n\na bad film\n")
    of_file = seqlab("predict", classifier.path.name, "--file", str(tmp_path / "texts.txt")).out
    first, blank, second = of_file.splitlines(keepends=True)
    assert first + second == shown
    assert "(no text)" in blank
    with (tmp_path / "texts.txt").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert seqlab("predict", classifier.path.name).out == of_file


class Bytes:
    """Standard input that holds bytes."""

    def __init__(self, content: bytes):
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("options", [[], ["--file", "-"]])
def test_predict_reads_standard_input(seqlab, classifier: RunFolder, options: list[str], monkeypatch) -> None:
    content = "\ufeffa good film\r\n\nbad \u96fb\u5f71".encode()
    monkeypatch.setattr(sys, "stdin", Bytes(content))
    answers = json.loads(seqlab("predict", classifier.path.name, *options, "--json").out)
    assert [answer["text"] for answer in answers] == ["a good film", "", "bad \u96fb\u5f71"]


def test_predict_refuses_input_that_is_closed_or_not_text_or_given_twice(
    seqlab, classifier: RunFolder, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    closed = seqlab("predict", classifier.path.name)
    assert (closed.status, closed.out) == (2, "")
    assert "Standard input must hold texts, one per line. Got a closed one." in closed.err
    for content, hint in ((b"good\nb\x00d", "cp1252"), ("good\nbad".encode("utf-16-le"), "utf-16-le")):
        monkeypatch.setattr(sys, "stdin", Bytes(content))
        zero = seqlab("predict", classifier.path.name)
        assert (zero.status, zero.out) == (2, "")
        assert "must be text. Got a zero byte" in zero.err
        assert f"--encoding {hint}." in zero.err
    monkeypatch.setattr(sys, "stdin", Bytes(b"good\n\xff\xfe"))
    wrong = seqlab("predict", classifier.path.name)
    assert wrong.status == 2
    assert "Standard input, line 2, must be text in UTF-8" in wrong.err
    both = seqlab("predict", classifier.path.name, "a film", "--file", "texts.txt")
    assert both.status == 2
    assert "either as arguments or by '--file'. Got both." in both.err


@pytest.mark.parametrize("text", ["-bad", "-5 degrees", "--bad film"])
def test_a_text_that_begins_with_a_dash(seqlab, classifier: RunFolder, text: str) -> None:
    refused = seqlab("predict", classifier.path.name, text)
    assert (refused.status, refused.out) == (2, "")
    assert f"Unknown option: {text}" in refused.err
    assert "texts that begin with a dash follow ` -- `" in refused.err
    assert seqlab("predict", classifier.path.name, "--", text).out.endswith(f"  {text}\n")


def test_a_prompt_that_begins_with_a_dash(seqlab, language: RunFolder) -> None:
    refused = seqlab("sample", language.path.name, "--prompt", "-x")
    assert refused.status == 2
    assert "follows an equals sign, as in --prompt=-x" in refused.err
    assert seqlab("sample", language.path.name, "--prompt=-x").status == 0


def test_a_prediction_is_one_line_and_cut_with_an_ellipsis(seqlab, classifier: RunFolder) -> None:
    shown = seqlab("predict", classifier.path.name, "a\nb\tc", "good " * 40).out.splitlines()
    assert len(shown) == 2
    assert shown[0].endswith("  a\\nb\tc")
    assert shown[1].endswith("good go...")


def test_predict_warns_when_no_word_is_known(seqlab, classifier: RunFolder) -> None:
    result = seqlab("predict", classifier.path.name, "zzz 123")
    assert result.status == 0
    note = "The model knows no word of 'zzz 123'; it predicts the same for as many other unknown words."
    assert note in " ".join(result.err.split())
    same = [
        json.loads(seqlab("predict", classifier.path.name, text, "--json").out) for text in ("zzz 1", "q 2")
    ]
    assert same[0][0]["probabilities"] == same[1][0]["probabilities"]


def test_list(seqlab, language: RunFolder) -> None:
    everything = json.loads(seqlab("list", "--json").out)
    together = seqlab("list").out
    (row,) = everything.pop("runs")
    assert (row["name"], row["metric"]) == (language.path.name, "loss")
    assert f"runs:\n{seqlab('list', 'runs').out}" in together
    for name, rows in everything.items():
        assert rows, name
        assert json.loads(seqlab("list", name, "--json").out) == {name: rows}
        shown = seqlab("list", name).out
        assert all(row in shown for row in rows)
        assert f"{name}:" in together


def test_list_shows_unfinished_and_damaged_runs(seqlab, language: RunFolder) -> None:
    run = tiny.broken_off(tiny.BRACKETS, "seed=2", step=2)
    (language.path / "finished.json").write_text("{")
    rows = {row["name"]: row for row in json.loads(seqlab("list", "runs", "--json").out)["runs"]}
    assert rows[run.path.name]["state"] == "stopped"
    assert rows[language.path.name]["state"] == "damaged"
    assert "finished.json is damaged" in rows[language.path.name]["problem"]
    shown = seqlab("list", "runs")
    assert "1 run stopped before the end; `seqlab resume RUN` continues one." in shown.err
    assert f"{language.path.name}: " in shown.err


def test_one_damaged_run_does_not_hide_the_others(seqlab, classifier: RunFolder, language: RunFolder) -> None:
    (language.path / "run.json").write_text("{")
    assert seqlab("evaluate", "imdb-linear").status == 0
    rows = {row["name"]: row for row in json.loads(seqlab("list", "runs", "--json").out)["runs"]}
    assert rows[classifier.path.name]["metrics"] == classifier.summary()["metrics"]
    assert rows[language.path.name]["state"] == "damaged"


@pytest.mark.parametrize("columns", ["60", "40"])
def test_a_narrow_terminal_shows_each_run_in_a_paragraph(seqlab, language, monkeypatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(console, "_UNLIMITED", int(columns))
    console._console.cache_clear()
    shown = seqlab("list", "runs").out.splitlines()
    assert shown[0] == language.path.name
    assert shown[1].startswith("  finished, ")
    assert "seed 1" in shown[1]
    assert shown[2].startswith("  loss ")
    assert "model.hidden_size=4" in shown[3]


def test_runs_are_sorted_filtered_and_counted_by_options(seqlab, refused, language, classifier) -> None:
    def listed(*options: str) -> list[str]:
        return [
            row["architecture"] for row in json.loads(seqlab("list", "runs", *options, "--json").out)["runs"]
        ]

    assert listed("--sort", "architecture") == ["linear-classifier", "lstm"]
    assert listed("--where", "model.cell=lstm", "--where", "metric<9") == ["lstm"]
    assert listed("--task", "classify") == ["linear-classifier"]
    assert seqlab("list", "runs", "--where", "seed=9").out == "No run meets the conditions.\n"
    assert "must be used with 'list runs'. Got 'list models'" in refused("list", "models", "--sort", "name")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (tiny.BRACKETS, "sample"),
        (tiny.REVIEWS, "predict"),
        (["brackets-floor", *tiny.BRACKETS[1:4]], "evaluate"),
    ],
)
def test_training_ends_with_a_command_that_works(seqlab, arguments: list[str], command: str) -> None:
    (line,) = [line for line in seqlab("train", *arguments).out.splitlines() if line.startswith("next: ")]
    words = shlex.split(line.removeprefix("next: seqlab "))
    assert words[0] == command
    assert seqlab(*words).status == 0


def test_data(seqlab) -> None:
    info = json.loads(seqlab("data", "info", "brackets", "--json").out)
    assert set(info) == {"name", "about", "origin", "licence"}
    asked = ["data", "show", "brackets", "train=7", "valid=3", "test=2"]
    content = json.loads(seqlab(*asked, "--json").out)
    assert [split["sequences"] for split in content["splits"].values()] == [7, 3, 2]
    shown = seqlab(*asked).out
    assert all(f"  {example}" in shown for example in content["examples"])
    for heading in ("tokens per sequence", "padding of the training split", "similar lengths together"):
        assert heading in shown
    fetched = json.loads(seqlab("data", "fetch", *asked[2:], "--json").out)
    assert fetched == {"name": "brackets", "content": content["content"]}


def test_classes_are_shown_with_their_shares(seqlab) -> None:
    shown = seqlab("data", "show", "reviews").out
    assert re.search(r"class +train +valid +test", shown)
    assert re.search(r"positive +50\.0 % +50\.0 % +50\.0 %", shown)


def test_parameters_are_those_of_the_formula(seqlab) -> None:
    V, E, H = 6, 4, 5  # .pad .start .end .unk ( )
    cells = [
        ("lstm", 4, 2),
        ("gru", 3, 2),
        ("gru-reset-before", 3, 1),
        ("elman", 1, 2),
        ("elman-concat", 1, 1),
    ]
    for cell, n, biases in cells:
        asked = ["params", *tiny.BRACKETS, f"model.cell={cell}", f"model.hidden_size={H}"]
        content = json.loads(seqlab(*asked, "--json").out)["brackets-lstm"]
        total = V * E + n * H * (E + H + biases) + (H + 1) * V
        assert content["total"] == total
        assert [layer["layer"] for layer in content["layers"]] == ["embedding", "body layer 1", "head"]
        shown = seqlab(*asked).out
        assert f"total {total:,}" in shown
        assert f"{n} x 5 x (4 + 5) + " in shown


def test_tied_parameters_name_their_owner(seqlab) -> None:
    shown = seqlab("params", *tiny.BRACKETS, "model.tied=true").out
    assert "weight is embedding.weight, counted there" in shown


def test_every_command_has_json(seqlab, language: RunFolder, classifier: RunFolder, tmp_path: Path) -> None:
    page = str(tmp_path / "report.html")
    arguments = {
        "demo": ["--quick", "--seeds", "1", "--output", page],
        "list": [],
        "show": ["brackets-cells"],
        "data": ["show", "brackets", "train=7"],
        "params": tiny.BRACKETS,
        "train": tiny.BRACKETS,
        "resume": [language.path.name],
        "ensemble": [classifier.path.name, tiny.fit(tiny.REVIEWS, "seed=2").path.name],
        "study": ["brackets-cells"],
        "evaluate": [language.path.name],
        "diagnose": [language.path.name],
        "check": tiny.BRACKETS,
        "sample": [language.path.name],
        "predict": [classifier.path.name, "a good film"],
        "explain": [classifier.path.name, "a good film"],
        "report": [language.path.name, "--output", page],
        "remove": [classifier.path.name, "--yes"],
        "clean": ["--dry-run"],
        "completion": ["bash"],
        "bench": ["step"],
    }
    assert list(arguments) == [name for name in app if not name.startswith("-")]
    for command in [command for command in arguments if command not in SLOW]:
        result = seqlab(command, *arguments[command], "--json")
        assert (result.status, result.err) == (0, ""), command
        assert json.loads(result.out), command
