"""Random inputs through the command line's entry point, many in one process.

Of each input: the status is 0, 1 or 2, no traceback, no internal error, it ends in time. Where what is
read was damaged and the command still succeeds, it must print what it prints of the undamaged.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import drawn
import mutations
import polars as pl
from kills import stopped_run
from scenarios import CLASSIFIER, LANGUAGE, SCENARIOS, run_outcome, run_paths

from seqlab.cli import run
from seqlab.experiment import recipes
from seqlab.runs.run_folder import open_run
from seqlab.schema.config import to_toml

SECONDS = 60
"""That an input may take; each takes a fraction of one."""


class _LateError(BaseException):
    """An input took too long; no handler of errors may catch it."""


@dataclass
class FuzzReport:
    """inputs, by kind. statuses: how many ended with each. problems: in words."""

    inputs: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


_ANY_RUN = (
    ("report", "{run}", "-o", "page.html"),
    ("list", "runs", "--json"),
)
READERS: Mapping[str, Sequence[Sequence[str]]] = {
    "classifier": (
        ("evaluate", "{run}", "--split", "test"),
        ("evaluate", "{run}", "--split", "valid", "--metric", "loss"),
        ("predict", "{run}", "a good film", "what"),
        *_ANY_RUN,
    ),
    "language": (
        ("evaluate", "{run}", "--split", "test"),
        ("diagnose", "{run}"),
        ("sample", "{run}", "--count", "2", "--length", "8"),
        *_ANY_RUN,
    ),
}
"""Commands that read a finished run."""
TOLERANT = ("report", "list")
"""Commands that show what they can of a damaged run, and name the damage."""
TABLES: Mapping[str, Callable[[pl.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.write_csv(path),
    "tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
    "jsonl": lambda frame, path: frame.write_ndjson(path),
    "parquet": lambda frame, path: frame.write_parquet(path),
}
EMBEDDED = ("brackets-lstm", "ndfa-lstm", "toy-lstm", "python-gru", "marked-addition-lstm", "brackets-floor")
"""Recipes whose data needs no file, and models of several kinds."""
TINY = ("data.train=40", "data.valid=10", "data.test=10")


@dataclass(frozen=True)
class Printed:
    """What a command line ended with and printed."""

    status: int
    out: str
    err: str


class Fuzzer:
    """Draws inputs from a seed, and checks what the command line makes of them.

    It works in a folder of its own, with the runs and caches in it.
    """

    def __init__(self, folder: Path, seed: int):
        self.folder, self.report = folder.resolve(), FuzzReport()
        self._draw = random.Random(seed)
        self._kinds: Mapping[str, Callable[[], None]] = {
            "settings": self._settings,
            "kinds of parts": self._kinds_of_parts,
            "drawn settings": self._drawn_settings,
            "drawn recipe files": self._drawn_recipes,
            "drawn study files": self._drawn_studies,
            "recipe files": self._recipe_files,
            "tables": self._tables,
            "texts to predict": self._predicted,
            "finished runs": self._finished,
            "unfinished runs": self._unfinished,
            "studies": self._studies,
            "caches": self._caches,
        }

    def __call__(self, inputs: int) -> FuzzReport:
        """Try so many inputs, of one kind after the other."""
        with _working_in(self.folder):
            self._prepare()
            for index in range(inputs):
                kind = list(self._kinds)[index % len(self._kinds)]
                self._kinds[kind]()
                self.report.inputs[kind] = self.report.inputs.get(kind, 0) + 1
        return self.report

    def _prepare(self) -> None:
        for scenario in SCENARIOS[:1]:
            scenario.prepare(self.folder / "files")
        for path in (self.folder / "files").iterdir():
            shutil.copy(path, self.folder)
        self._clean(["train", *CLASSIFIER, "name=classifier"])
        self._clean(["train", *LANGUAGE, "name=language"])
        self._runs = {open_run(path).name: path for path in run_paths(self.folder)}
        self._expected = {
            (name, words): self._clean_reading(self._copy(self._runs[name]), words)
            for name, commands in READERS.items()
            for words in commands
        }
        self._stopped = stopped_run([*LANGUAGE, "name=stopped"], self.folder / "stopped")
        copy = self._copy(self._stopped)
        self._clean(["resume", str(copy)])
        self._resumed = run_outcome(copy)
        with _variables(SEQLAB_RUNS=str(self.folder / "study-runs")):
            self._clean(["study", "small.toml"])
        with _variables(SEQLAB_CACHE=str(self.folder / "clean-cache")):
            self._described = {words: self._clean(words) for words in _DESCRIPTIONS}

    def _copy(self, run_path: Path) -> Path:
        """A copy of a run's folder that may be damaged, always at the same path."""
        copy = self.folder / "victims" / run_path.name
        # Whole, because the damage may have made the run's folder a link.
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(run_path, copy, symlinks=True)
        return copy

    def _clean_reading(self, copy: Path, words: Sequence[str]) -> Printed:
        with _variables(SEQLAB_RUNS=str(copy.parent)):
            return self._clean(_on(copy, words))

    def _settings(self) -> None:
        recipe = self._draw.choice(EMBEDDED)
        words = [f"{key}={self._value(value)}" for key, value in self._some_settings(recipe)]
        self._check(["params", recipe, *self._tiny(recipe), *words], "settings")

    def _tiny(self, recipe: str) -> list[str]:
        """Settings for little data, where the recipe has them."""
        return [setting for setting in TINY if setting.partition("=")[0] in self._settings_of(recipe)]

    def _settings_of(self, recipe: str) -> dict[str, object]:
        return dict(_leaves(recipes.configure(recipe)[0].model_dump(mode="json")))

    def _some_settings(self, recipe: str) -> list[tuple[str, object]]:
        settings = list(self._settings_of(recipe).items())
        return self._draw.sample(settings, self._draw.choice((1, 1, 2, 3)))

    def _value(self, now: object) -> object:
        nasty = [text for text in mutations.NASTY_TEXTS if "\x00" not in text and "\ud800" not in text]
        numbers = (0, -1, 1, 2, 3, 0.5, 10**6, 10**9, 10**12, 10**18)
        return self._draw.choice([self._draw.choice(nasty), self._draw.choice(numbers), now])

    def _recipe_files(self) -> None:
        recipe = self._draw.choice(EMBEDDED)
        config, _ = recipes.configure(recipe, self._tiny(recipe))
        path = self.folder / "own.toml"
        path.write_bytes(mutations.bytes_of(to_toml(config).encode(), self._draw))
        self._check(["params", str(path)], "a damaged recipe")

    def _kinds_of_parts(self) -> None:
        """Parts that fit each other train; others are refused."""
        recipe, words = drawn.kinds(self._draw)
        if self._check(["train", recipe, *words], "kinds") == 1:
            self.report.problems.append(f"accepted, but not trained: {recipe} {' '.join(words)}")

    def _drawn_settings(self) -> None:
        recipe, words = drawn.settings(self._draw)
        self._check(["train", recipe, *words], "drawn settings")

    def _drawn_recipes(self) -> None:
        path = self.folder / "own.toml"
        path.write_text(drawn.recipe_file(self._draw), encoding="utf-8")
        self._check(["params", str(path)], f"recipe {path.read_text(encoding='utf-8')[:400]!r}")

    def _drawn_studies(self) -> None:
        path = self.folder / "own-study.toml"
        path.write_text(drawn.study_file(self._draw), encoding="utf-8")
        self._check(["study", str(path), "--plan"], f"study {path.read_text(encoding='utf-8')[:400]!r}")

    def _tables(self) -> None:
        path = self._damaged_table()
        settings = self._draw.sample(_TABLE_SETTINGS, self._draw.choice((0, 0, 0, 1)))
        self._check(["data", "show", "table", f"path={path}", *settings], f"a damaged {path.suffix}")

    def _damaged_table(self) -> Path:
        kind = self._draw.choice(list(TABLES))
        path = self.folder / f"own.{kind}"
        TABLES[kind](pl.read_csv(self.folder / "reviews.csv"), path)
        path.write_bytes(mutations.bytes_of(path.read_bytes(), self._draw))
        return path

    def _predicted(self) -> None:
        run_path = self._runs["classifier"]
        if self._draw.random() < 0.5:
            self._check(["predict", str(run_path), "--file", str(self._damaged_table())], "a damaged table")
            return
        texts = [self._draw.choice(mutations.NASTY_TEXTS) for _ in range(3)]
        self._check(["predict", str(run_path), "--", *texts], f"texts {texts!r}"[:100])

    def _finished(self) -> None:
        name = self._draw.choice(list(READERS))
        words = self._draw.choice(list(READERS[name]))
        copy = self._copy(self._runs[name])
        what = mutations.file_in(copy, self._draw)
        # A list that lacks a run whose whole folder is gone is right.
        expected = self._expected[name, words] if copy.exists() else None
        with _variables(SEQLAB_RUNS=str(copy.parent)):
            self._check(_on(copy, words), what, expected)

    def _unfinished(self) -> None:
        copy = self._copy(self._stopped)
        what = mutations.file_in(copy, self._draw)
        if self._check(["resume", str(copy)], what) != 0:
            return
        found = run_outcome(copy)
        parts = [part for part in self._resumed if found.get(part) != self._resumed[part]]
        if parts:
            self.report.problems.append(f"{what}: resumed to another {', '.join(parts)}")

    def _studies(self) -> None:
        copy = self.folder / "damaged-study-runs"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder / "study-runs", copy)
        what = mutations.file_in(copy, self._draw)
        words = self._draw.choice(
            (["study", "small.toml"], ["study", "small.toml", "--json"], ["list", "runs"])
        )
        with _variables(SEQLAB_RUNS=str(copy)):
            self._check(words, f"a study with {what}")

    def _caches(self) -> None:
        copy = self.folder / "damaged-cache"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder / "clean-cache", copy)
        what = mutations.file_in(copy, self._draw)
        words = self._draw.choice(list(_DESCRIPTIONS))
        with _variables(SEQLAB_CACHE=str(copy)):
            self._check(words, f"a cache with {what}", self._described[words])

    def _clean(self, words: Sequence[str]) -> Printed:
        printed = _run(words)
        assert printed.status == 0, printed
        return printed

    def _check(self, words: Sequence[str], what: str, expected: Printed | None = None) -> int | None:
        """Run a command line; `expected` is what it prints of what is undamaged. Returns its status."""
        case = f"{what}: seqlab {' '.join(words)}"[:600]
        try:
            printed = _run(words)
        except BaseException as error:
            self.report.problems.append(f"{case}: {type(error).__name__}: {str(error)[:300]}")
            return None
        self.report.statuses[printed.status] = self.report.statuses.get(printed.status, 0) + 1
        problems = _problems(printed, expected, tolerant=words[0] in TOLERANT)
        self.report.problems += [f"{case}: {problem}" for problem in problems]
        return printed.status


def _on(run_path: Path, words: Sequence[str]) -> list[str]:
    return [word.replace("{run}", str(run_path)) for word in words]


def _problems(printed: Printed, expected: Printed | None, *, tolerant: bool) -> Iterator[str]:
    if printed.status not in (0, 1, 2):
        yield f"exit status {printed.status}"
    if "Internal error" in printed.err or "Traceback" in printed.err:
        yield printed.err[-300:]
    if printed.status != 0 and not printed.err.strip():
        yield f"exit status {printed.status} without a sentence"
    if expected is not None and printed.status == 0 and printed.out != expected.out:
        named = tolerant and ("damaged" in printed.out or "changed" in printed.out)
        if not named:
            yield f"silently different: {printed.out[:300]!r}"


def _run(words: Sequence[str]) -> Printed:
    """Run a command line in this process; a page that it writes counts as printed."""
    out, err, page = _stream(), _stream(), Path("page.html")
    page.unlink(missing_ok=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _in_time():
        status = run(words)
    written = page.read_text(encoding="utf-8") if page.exists() else ""
    return Printed(status, _written(out) + written, _written(err))


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode("utf-8", "replace")


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Raise `_LateError` in the block after `SECONDS`."""

    def late(number: int, frame: FrameType | None) -> None:
        raise _LateError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        with _variables(SEQLAB_RUNS=str(folder / "runs"), SEQLAB_CACHE=str(folder / "cache"), COLUMNS="100"):
            yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Environment variables of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _leaves(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The settings of a table, by dotted name."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


_DESCRIPTIONS: Sequence[tuple[str, ...]] = (
    ("data", "show", "brackets", *(setting.removeprefix("data.") for setting in TINY)),
    ("data", "show", "table", "path=reviews.csv"),
)
_TABLE_SETTINGS = (
    "label_column=0",
    "label_column=label",
    "text_column=1",
    "max_length=3",
    "test_fraction=0.5",
    "tokenizer.kind=characters",
)
