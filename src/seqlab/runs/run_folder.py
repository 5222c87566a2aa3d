"""One run's folder: its settings, the environment it ran in, and everything it recorded.

    runs/NAME-CHANGES-FINGERPRINT/    as many digits of the fingerprint as no other run of the name has
        run.json            format version, name, fingerprint
        config.toml         every setting
        data.json           what the run keeps of its data
        environment.json    versions, processor, threads
        records.jsonl       numbers, curves and matrices; deterministic
        samples.jsonl       texts that the model wrote; deterministic
        timings.jsonl       seconds and speed
        generated.json      texts of a language model at the end, and how varied they are
        cards/SPLIT.json    the evaluation card of a split
        cards/SPLIT+KIND.json  that of a model which adapted to the split's text
        cards/oracle.json   the comparison with the true distribution
        code.json           the code of the user's own that it executes; there only if it does
        code/SETTING/       a copy of that code
        start.json          the run whose weights it starts from; there only if it does
        start/              a copy of those weights
        scores/             the scores of each item of a split
        wrong/SPLIT.json    texts of a split that were labelled wrongly
        checkpoints/        see `checkpoints`
        tensorboard/        events
        finished.json       results and cost; there once the run is finished
        lock

No other module knows these names. Reading never writes. Every file but the events has a check that binds it
to the run and to its name (`seal`), and everything must be a plain file or folder (`plain_files`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqlab.runs import atomic
from seqlab.runs.format_version import check_format
from seqlab.runs.named_folder import named_folder
from seqlab.runs.plain_files import check_folder, check_name
from seqlab.runs.process_lock import LOCK
from seqlab.runs.run_files import (
    CARDS,
    CHECKPOINTS,
    CODE,
    CODE_COPY,
    CONFIG,
    DATA,
    ENVIRONMENT,
    FINISHED,
    GENERATED,
    IDENTITY,
    SCORES,
    START,
    START_COPY,
    TENSORBOARD,
    WRONG,
    RunFolder,
)
from seqlab.runs.run_journals import JOURNALS
from seqlab.runs.run_shapes import RunIdentity
from seqlab.runs.typed_json import read_json
from seqlab.schema.errors import DamagedFileError, UserError, nearest, unknown

FORMAT = 3
FILES = {IDENTITY, CONFIG, DATA, CODE, START, ENVIRONMENT, FINISHED, GENERATED, LOCK, *JOURNALS}
_DIGITS = (4, 8, 12, 64)
"""Digits of the fingerprint that a folder's name may have; more where fewer are those of another run."""
_REFERENCE = 12
"""Digits that identify a run, whatever other runs there are."""
_RUN_NAME = re.compile(rf".+-({'|'.join(f'[0-9a-f]{{{digits}}}' for digits in _DIGITS)})")
"""A folder of such a name that holds a file or folder of a run is the rest of a damaged one."""
_FOLDERS = {CARDS, SCORES, WRONG, CHECKPOINTS, CODE_COPY, START_COPY, TENSORBOARD}


def root() -> Path:
    """`$SEQLAB_RUNS`, or `runs` under the current folder.

    Raises:
        UserError: it is no folder, or not UTF-8, so that the files of a run could not name it.
    """
    return named_folder("SEQLAB_RUNS", "runs")


def fingerprint(config: str, content_hash: str, version: str) -> str:
    """SHA-256 of what decides a run's numbers: resolved configuration, data content, seqlab's version."""
    return hashlib.sha256("\n".join([config, content_hash, version]).encode()).hexdigest()


def reference(stem: str, fingerprint: str) -> str:
    """The name by which a run can be told before there is a folder: `resolve` finds that.

    Args:
        stem: the beginning of the folder's name.
        fingerprint: of the run.
    """
    return f"{stem}-{fingerprint[:_REFERENCE]}"


def resolve(reference: str, folder: Path | None = None) -> Path:
    """The path of a run by its reference or its folder's name, whether it exists or not.

    Args:
        reference: as the function of this name gives it.
        folder: which holds the run; None is `root`.
    """
    within = root() if folder is None else folder
    stem, _, digits = reference.rpartition("-")
    shorter = (within / f"{stem}-{digits[:count]}" for count in _DIGITS if count < len(digits))
    return next((path for path in shorter if is_of(path, digits)), within / reference)


def reference_of(run: RunFolder) -> str:
    """The reference of a run that there is; of a renamed folder its name."""
    stem, _, digits = run.path.name.rpartition("-")
    return reference(stem, run.fingerprint) if run.fingerprint.startswith(digits) else run.path.name


def existing(stem: str, fingerprint: str) -> Path | None:
    """The folder of a run that was begun; None where there is none."""
    return next((path for path in paths(stem, fingerprint) if is_of(path, fingerprint)), None)


def paths(stem: str, fingerprint: str) -> Iterator[Path]:
    """The paths that a run's folder may have, the shortest first."""
    return (root() / f"{stem}-{fingerprint[:count]}" for count in _DIGITS)


def is_of(path: Path, fingerprint: str) -> bool:
    """Whether a folder is that of a run, by the first digits of its fingerprint at least."""
    if not exists(path):
        return False
    try:
        return read_json(path / IDENTITY, RunIdentity, IDENTITY)["fingerprint"].startswith(fingerprint)
    except UserError:
        # Whoever opens it receives the error.
        return True


def exists(path: Path) -> bool:
    """Whether there is a run folder at a path."""
    return os.path.lexists(path / IDENTITY)


def open_run(path: Path) -> RunFolder:
    """Open a run folder, which changes nothing in it.

    Raises:
        UserError: it is no run folder, damaged, of another format, or has links or special files.
    """
    if not exists(path):
        raise DamagedFileError(f"{path} must be a run folder with a {IDENTITY}. Got none.")
    check_folder(path, files=FILES, folders=_FOLDERS, prefix=atomic.TEMPORARY)
    check_format(path / IDENTITY, "run", FORMAT, older="Train the run again.")
    identity = read_json(path / IDENTITY, RunIdentity, IDENTITY)
    name = check_name(identity["name"], str(path / IDENTITY))
    return RunFolder(path, name, identity["fingerprint"])


def find(wanted: str) -> RunFolder:
    """The run a user names: by path, by folder name, by its own name, or by an unambiguous beginning.

    A complete name comes first: `x1` is the run x1, although the name of the run x19 begins with it.

    Raises:
        UserError: no run has this name, or several do.
    """
    return open_run(locate(wanted))


def locate(wanted: str) -> Path:
    """The folder of the run a user names, as `find` does, sound or damaged.

    Raises:
        UserError: no run has this name, or several do.
    """
    if exists(Path(wanted)):
        return Path(wanted)
    known = names()
    matches = _matching(wanted, known)
    if len(matches) > 1 and wanted not in matches:
        newest = max(matches, key=_changed)
        raise UserError(
            f"{wanted!r} must name one run. Got {len(matches)}: {', '.join(matches)}. "
            f"The newest of them: {newest!r}."
        )
    if not matches:
        # A name is longer than what is typed of it.
        close = {name[: len(wanted)]: name for name in known}
        hint = nearest(wanted, close)
        raise unknown("run", wanted, known, hint=None if hint is None else close[hint])
    return root() / (wanted if wanted in matches else matches[0])


def named(wanted: str, known: Sequence[str] | None = None) -> list[str]:
    """The folder with this name, else those of the runs with this name.

    Args:
        wanted: a complete name.
        known: names of folders; None: those of all runs.
    """
    folders = names() if known is None else known
    if wanted in folders:
        return [wanted]
    return [name for name in folders if name.startswith(wanted) and _own_name(name) == wanted]


def _matching(wanted: str, known: Sequence[str]) -> list[str]:
    """The folders with this name, else those of the runs with this name, else those that begin with it."""
    beginning = [name for name in known if name.startswith(wanted)]
    referred = resolve(wanted)
    return named(wanted, known) or beginning or ([referred.name] if exists(referred) else [])


def _own_name(folder: str) -> str:
    """The name of a run's configuration; of a damaged run, that of its folder without the fingerprint."""
    try:
        return read_json(root() / folder / IDENTITY, RunIdentity, IDENTITY)["name"]
    except UserError:
        return folder.rpartition("-")[0]


def _changed(name: str) -> int:
    try:
        return os.lstat(root() / name / IDENTITY).st_mtime_ns
    except OSError:
        return 0


def names() -> list[str]:
    """Names of the run folders under `root`, sound or damaged."""
    try:
        folders = sorted(path.name for path in root().iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{root()} must be a folder that can be read. Got: {error.strerror}.") from None
    return [name for name in folders if not name.startswith(atomic.TEMPORARY) and _is_run(root() / name)]


def _is_run(path: Path) -> bool:
    if exists(path) or _RUN_NAME.fullmatch(path.name) is None:
        return exists(path)
    return any(os.path.lexists(path / name) for name in (*FILES, *_FOLDERS))
