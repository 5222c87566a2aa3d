"""The run folder: whole or absent, locked, versioned, found by name."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from seqlab.runs import checkpoints, environment, new_run, run_folder
from seqlab.runs.atomic import TEMPORARY, directory, remove_leftovers, write_text
from seqlab.runs.journal import Journal, check_journal, journal_text, mark_of
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import DataSummary, RunSummary
from seqlab.schema.errors import InUseError, UserError, WorkError
from seqlab.schema.records import Moment, Scalar, Text, to_line

LOSS = Scalar(name="loss", value=0.5, unit="nats per token", split="train")
MOMENT = Moment(step=1, epoch=0.5, tokens=3)
SUMMARY: RunSummary = {
    "run": "toy",
    "stopped": "done",
    "metrics": {"loss": 0.5},
    "monitor": {"name": "loss", "unit": "nats per token", "better": "lower"},
    "best_step": 1,
    "steps": 1,
    "epochs": 0.5,
    "tokens": 3,
    "parameters": 7,
    "cost": {
        "training_seconds": 1.0,
        "evaluation_seconds": 1.0,
        "tokens_per_second": 3.0,
        "peak_memory_mib": 9.0,
        "threads": 1,
        "processor": "",
        "device": "cpu",
    },
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    return create("f" * 64)


def create(fingerprint: str, name: str = "toy") -> RunFolder:
    data: DataSummary = {
        "name": "toy",
        "content_hash": "a" * 64,
        "labels": [],
        "limit": {"max_length": None, "keep": "first"},
        "spec": {"vocabulary": 3, "outputs": 3, "source_vocabulary": None, "max_length": None},
        "splits": {"train": {"sequences": 2, "tokens": 5}},
        "description": "",
        "origin": "",
        "licence": "",
        "notes": [],
        "tokenizer": {"kind": "words"},
    }
    made = environment.describe(threads=1, device="cpu", kernels="torch", matmul="torch")
    return new_run.create(name, fingerprint, config="seed = 1\n", data=data, environment=made)


def test_a_directory_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with directory(tmp_path / "made") as temporary:
            (temporary / "a").write_text("a")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY}step-1").mkdir()
    (tmp_path / f"{TEMPORARY}finished.json").write_text("half")
    (tmp_path / "kept").write_text("whole")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_write_text_replaces_in_one_step(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_found_by_path_name_and_beginning(run: RunFolder) -> None:
    for wanted in (str(run.path), run.path.name, "toy-ff", "toy"):
        assert run_folder.find(wanted) == run


def test_an_ambiguous_or_unknown_name(run: RunFolder) -> None:
    create("e" * 64)
    with pytest.raises(UserError, match=r"'toy' must name one run\. Got 2"):
        run_folder.find("toy")
    with pytest.raises(UserError, match=r"no run 'toy-eeeef'\. Nearest: 'toy-eeee"):
        run_folder.find("toy-eeeef")


def test_a_complete_name_comes_before_a_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`x1` is no beginning of `x19` where there is a run x1; several runs x1 are ambiguous."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    folders = {name: create(print_ * 64, name) for name, print_ in (("x1", "a"), ("x19", "b"), ("x1-9", "c"))}
    for name, folder in folders.items():
        assert run_folder.find(name) == folder
        assert run_folder.find(folder.path.name) == folder
    for beginning in ("x1-a", "x1-aaaaaaaaaaa", "x19-"):
        assert run_folder.find(beginning) == folders["x1" if "a" in beginning else "x19"]
    with pytest.raises(UserError, match=r"'x' must name one run\. Got 3: x1-9-c+, x1-a+, x19-b+\."):
        run_folder.find("x")
    create("d" * 64, "x1")
    with pytest.raises(UserError, match=r"'x1' must name one run\. Got 2: x1-a+, x1-d+\."):
        run_folder.find("x1")


def test_the_nearest_name_is_that_of_which_the_beginning_is_near(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    for name in ("ptb-lstm-e200-h200-d0.3-lr20.0-ep2-s1", "imdb-linear"):
        create("a" * 64, name)
    with pytest.raises(UserError, match=r"no run 'ptb-lsmt'\. Nearest: 'ptb-lstm-e200"):
        run_folder.find("ptb-lsmt")


def test_two_runs_whose_first_digits_agree_have_two_folders(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    prints = ["abcd" + digit * 60 for digit in "012"] + ["abcd0000" + "1" * 56]
    made = [create(print_, "x") for print_ in prints]
    assert [run.path.name for run in made] == ["x-abcd", "x-abcd1111", "x-abcd2222", "x-abcd0000"]
    assert [create(print_, "x") for print_ in prints] == made
    for print_, run in zip(prints, made, strict=True):
        assert (
            run_folder.existing("x", print_)
            == run_folder.resolve(run_folder.reference("x", print_))
            == run.path
        )
    assert run_folder.existing("x", "abcd" + "9" * 60) is None


@pytest.mark.parametrize(
    ("number", "remedy"), [(4, r"Install a newer seqlab\."), (1, r"Train the run again\.")]
)
def test_another_format_is_refused(run: RunFolder, number: int, remedy: str) -> None:
    """Another format may have other keys, so it must be refused by its number, not as damage."""
    (run.path / "run.json").write_text(json.dumps({"format": number, "title": "toy"}))
    with pytest.raises(UserError, match=rf"must have run format 3\. Got {number}\. {remedy}"):
        run_folder.open_run(run.path)


def test_reading_changes_nothing(run: RunFolder) -> None:
    """Not even where parts of the folder were removed."""
    run.checkpoints.rmdir()
    before = {path: path.stat().st_mtime_ns for path in (run.path, *run.path.rglob("*"))}
    opened = run_folder.open_run(run.path)
    assert opened == run
    assert opened.settings() == {"seed": 1}
    assert (opened.data()["spec"]["outputs"], opened.environment()["threads"]) == (3, 1)
    assert list(opened.records()) == list(opened.samples()) == list(opened.timings()) == []
    assert opened.card("valid") is opened.oracle_card() is opened.scores("valid") is None
    assert (opened.cards(), opened.finished, checkpoints.checkpoints(opened.checkpoints)) == ({}, False, [])
    assert {path: path.stat().st_mtime_ns for path in (run.path, *run.path.rglob("*"))} == before


@pytest.mark.parametrize("content", ["{", "{}", '{"format": "x"}'])
def test_a_damaged_run_json(run: RunFolder, content: str) -> None:
    (run.path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        run_folder.open_run(run.path)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must be a run folder with a run\.json\. Got none"):
        run_folder.open_run(tmp_path)


def test_a_missing_file_is_named(run: RunFolder) -> None:
    (run.path / "data.json").unlink()
    with pytest.raises(UserError, match=r"is damaged: data\.json is missing"):
        run.data()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threads": None}, r"'threads' must be a valid integer. Got None"),
        ({"cpus": 2}, r"'cpus' is unknown"),
        (None, r"'threads' is missing"),
    ],
)
def test_a_key_that_is_wrong_unknown_or_missing_is_named(run: RunFolder, change, words: str) -> None:
    content = {} if change is None else {**run.environment(), **change}
    (run.path / "environment.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"environment\.json is damaged: {words}"):
        run.environment()


def test_broken_lines_are_refused_or_left_out(run: RunFolder) -> None:
    loss = Scalar(name="loss", value=0.5, unit="nats per token", split="train")
    moment = Moment(step=1, epoch=0.5, tokens=3)
    sound = to_line(loss, moment)
    infinite = sound.replace('0.5,"unit', '1e999,"unit')
    text = journal_text([sound, infinite, sound, sound, sound], "records.jsonl")
    path = run.path / "records.jsonl"
    lines = text.splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[3].replace('"step":1', '"step":2'), lines[4]]))
    with pytest.raises(
        UserError, match=r"records\.jsonl:2 is damaged: .*value' must be a finite number. Got inf"
    ):
        list(run.records())
    broken: list[UserError] = []
    assert list(run.records(broken.append)) == [(loss, moment)] * 3
    words = [
        "jsonl:2 is damaged: 'scalar.value' must be a finite",
        "jsonl:4 is damaged: it does not fit its 'check'. It or a line before it was changed",
    ]
    assert [word in str(error) for word, error in zip(words, broken, strict=True)] == [True, True]


@pytest.mark.parametrize("line", [b"{", b"", b"\xff", b"[1]", b'{"a":' + b"[" * 100_000, b"9" * 5000])
def test_whatever_a_line_holds_it_is_left_out(run: RunFolder, line: bytes) -> None:
    path, journal = run.path / "records.jsonl", Journal(run.path / "records.jsonl", None)
    journal.append(to_line(LOSS, MOMENT))
    journal.close()
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=r"records\.jsonl:2 is damaged"):
        list(run.records())
    broken: list[UserError] = []
    assert list(run.records(broken.append)) == [(LOSS, MOMENT)]
    assert len(broken) == 1


def test_lines_are_changed_moved_and_left_out(run: RunFolder) -> None:
    """Each changes what a reader would see; lines after the change still fit each other."""
    lines = [to_line(dataclasses.replace(LOSS, value=value), MOMENT) for value in (0.5, 0.25, 0.125)]
    path = run.path / "records.jsonl"
    first, second, third = journal_text(lines, path.name).splitlines(keepends=True)
    for text, number in ((first + third, 2), (second + third, 1), (first + third + second, 2)):
        path.write_text(text)
        with pytest.raises(UserError, match=rf"records\.jsonl:{number} is damaged"):
            list(run.records())
    path.write_text(first + second + third)
    run.finish(SUMMARY)
    path.write_text(first + second)
    with pytest.raises(UserError, match="must hold at least the"):
        list(run.records())
    # Sound lines, but not those that the run ended with.
    path.write_text(journal_text(reversed(lines), path.name))
    with pytest.raises(UserError, match="is not what it was"):
        list(run.records())


def test_records_keep_texts_with_any_separator(run: RunFolder) -> None:
    """U+2028 ends a line for `splitlines`, but not in a file of JSON lines."""
    text = Text(name="sample", prompt="", text="one\u2028two\u0085three", complete=True)
    moment = Moment(step=1, epoch=0.5, tokens=3)
    content = journal_text([to_line(text, moment)], "samples.jsonl")
    (run.path / "samples.jsonl").write_text(content, encoding="utf-8")
    assert list(run.samples()) == [(text, moment)]
    (run.path / "samples.jsonl").write_text("", encoding="utf-8")
    assert list(run.samples()) == []


def test_one_process_at_a_time(run: RunFolder) -> None:
    other = (
        "import sys; from pathlib import Path; from seqlab.runs import new_run, run_folder\n"
        "with run_folder.open_run(Path(sys.argv[1])).lock(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", other, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        holder = rf"in use by another process\. .* It is process {process.pid} on "
        with pytest.raises(InUseError, match=holder), run.lock():
            pass
        process.kill()
    with run.lock():
        pass


def test_a_journal_goes_back_to_its_offset(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    journal = Journal(path, None)
    journal.append('{"n":1}')
    mark = journal.sync()
    journal.append('{"n":2}')
    journal.close()
    again = Journal(path, mark)
    again.append('{"n":3}')
    again.close()
    assert path.read_text() == journal_text(['{"n":1}', '{"n":3}'], path.name)


def test_a_journal_that_lost_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(journal_text(['{"n":1}'], path.name))
    size = path.stat().st_size
    with pytest.raises(UserError, match=rf"must hold at least the {size + 9} bytes .* Got {size}"):
        check_journal(path, {"bytes": size + 9, "check": "a" * 32})


def test_a_journal_never_writes_through_another_name(tmp_path: Path) -> None:
    """A backup made of hard links keeps its content."""
    path, backup = tmp_path / "records.jsonl", tmp_path / "backup"
    path.write_text(journal_text(['{"n":1}', '{"n":2}'], path.name))
    before = path.read_text()
    backup.hardlink_to(path)
    journal = Journal(path, mark_of(path))
    journal.append('{"n":3}')
    journal.close()
    assert backup.read_text() == before
    assert path.read_text() == journal_text(['{"n":1}', '{"n":2}', '{"n":3}'], path.name)


def _checkpoint(run: RunFolder, step: int, content: str = "weights") -> Path:
    with checkpoints.new_checkpoint(run.checkpoints, step, run.fingerprint) as path:
        (path / "model").write_text(content)
    return run.checkpoints / checkpoints.name(step)


def test_the_newest_two_and_the_best_are_kept(run: RunFolder) -> None:
    for step in (1, 2, 30, 400):
        _checkpoint(run, step)
    checkpoints.prune(run.checkpoints, keep=2, best_step=1)
    kept = [path.name for path in checkpoints.checkpoints(run.checkpoints)]
    assert kept == [checkpoints.name(step) for step in (1, 30, 400)]


def test_a_sound_checkpoint_verifies(run: RunFolder) -> None:
    assert checkpoints.verify(_checkpoint(run, 5), run.fingerprint)["step"] == 5


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: (p / "model").write_text("weighty"), r"the checksum of model differs"),
        (lambda p: (p / "model").write_text("weig"), r"model must have 7 bytes\. Got 4"),
        (lambda p: (p / "model").unlink(), r"model is missing"),
        (lambda p: (p / "manifest.json").write_text("{"), r"manifest\.json is damaged"),
        (lambda p: (p / "manifest.json").write_text("[]"), r"manifest\.json is damaged"),
        (lambda p: (p / "manifest.json").unlink(), r"must be a checkpoint with a manifest\.json"),
    ],
)
def test_damage_is_named_with_the_way_out(run: RunFolder, damage, words: str) -> None:
    _checkpoint(run, 1)
    path = _checkpoint(run, 2)
    damage(path)
    with pytest.raises(UserError, match=words + r".*Delete it to continue from step-000000001"):
        checkpoints.verify(path, run.fingerprint)


def test_a_foreign_checkpoint_is_refused(run: RunFolder) -> None:
    path = _checkpoint(run, 1)
    with pytest.raises(
        UserError, match=r"belongs to another run \(fingerprint ffffffffffff, this run has eeee"
    ):
        checkpoints.verify(path, "e" * 64)


@pytest.mark.parametrize(
    ("number", "remedy"), [(99, "Install a newer seqlab"), (1, "Delete it to continue from step-000000001")]
)
def test_another_checkpoint_format_is_refused(run: RunFolder, number: int, remedy: str) -> None:
    _checkpoint(run, 1)
    path = _checkpoint(run, 2)
    (path / "manifest.json").write_text(json.dumps({"format": number}))
    with pytest.raises(UserError, match=rf"must have checkpoint format 3\. Got {number}\. {remedy}"):
        checkpoints.verify(path, run.fingerprint)


FULL = """
import resource, signal, sys
from pathlib import Path
from seqlab.runs.checkpoints import new_checkpoint
from seqlab.schema.errors import WorkError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with new_checkpoint(Path(sys.argv[1]), 2, "f" * 64) as path:
        (path / "model").write_bytes(b"x" * 5000)
except WorkError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_checkpoints_before(run: RunFolder) -> None:
    first = _checkpoint(run, 1)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(run.checkpoints)], capture_output=True, text=True, check=True
    )
    assert "cannot be written: File too large. What was saved before is still valid" in done.stdout
    assert checkpoints.checkpoints(run.checkpoints) == [first]
    assert checkpoints.verify(first, run.fingerprint)["step"] == 1
    assert [path.name for path in run.checkpoints.iterdir()] == [first.name]


def test_a_journal_on_a_full_disk_keeps_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "records.jsonl", None)
    journal.append('{"n":1}')

    class Full:
        def __init__(self, file) -> None:
            self.file = file

        def fileno(self) -> int:
            return self.file.fileno()

        def write(self, data: bytes) -> int:
            self.file.write(data[:3])
            raise OSError(28, "No space left on device")

        def truncate(self, size: int) -> None:
            self.file.truncate(size)

    monkeypatch.setattr(journal, "_file", Full(journal._file))
    with pytest.raises(WorkError, match=r"No space left on device.*Free space there"):
        journal.append('{"n":2}')
    journal._file.file.close()  # pyright: ignore[reportAttributeAccessIssue]
    whole = journal_text(['{"n":1}'], "records.jsonl")
    assert (tmp_path / "records.jsonl").read_text() == whole
