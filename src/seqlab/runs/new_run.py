"""Making a run folder, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seqlab.runs import atomic, run_folder
from seqlab.runs.environment import Environment
from seqlab.runs.run_files import (
    CHECKPOINTS,
    CODE,
    CODE_COPY,
    CONFIG,
    DATA,
    ENVIRONMENT,
    IDENTITY,
    START,
    START_COPY,
    START_WEIGHTS,
    RunFolder,
)
from seqlab.runs.run_shapes import CodeRecord, DataSummary, RunIdentity, StartRecord
from seqlab.runs.seal import check_of
from seqlab.runs.typed_json import to_json
from seqlab.schema.errors import WorkError


@dataclass(frozen=True)
class RunCode:
    """Code of the user's own that a run executes: its record, and the files of each entry by their paths."""

    record: CodeRecord
    files: Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True)
class RunStart:
    """Weights of another run that a run starts from: their record, and themselves as safetensors."""

    record: StartRecord
    weights: bytes


def create(
    name: str,
    fingerprint: str,
    *,
    config: str,
    data: DataSummary,
    environment: Environment,
    code: RunCode | None = None,
    start: RunStart | None = None,
    stem: str | None = None,
) -> RunFolder:
    """Make a run folder with its first files, whole or not at all.

    Where another process made the same folder at the same time, that one is returned; its environment may be
    another one.

    Args:
        name: of the configuration.
        fingerprint: of the run.
        config: every setting, as TOML; code is named as `run_files.copied_code` gives it.
        data: what the run keeps of its data.
        environment: in which it begins.
        code: of the user's own, which is copied; None where there is none.
        start: weights of another run, which are copied; None where all are drawn.
        stem: the beginning of the folder's name; None is `name`.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    for path in run_folder.paths(stem or name, fingerprint):
        # A shorter name may be that of another run, or of a folder that is none.
        if not os.path.lexists(path):
            _make(RunFolder(path, name, fingerprint), config, data, environment, code, start)
        if run_folder.is_of(path, fingerprint):
            atomic.remove_leftovers(path.parent, path.name)
            return run_folder.open_run(path)
    taken = run_folder.root() / f"{stem or name}-{fingerprint}"
    raise WorkError(f"{taken} must be free, or a run folder. Got another folder.")


def _make(  # noqa: PLR0917 (the arguments of `create`)
    run: RunFolder,
    config: str,
    data: DataSummary,
    environment: Environment,
    code: RunCode | None,
    start: RunStart | None,
) -> None:
    check = check_of(config, run.subject(CONFIG))
    identity = RunIdentity(format=run_folder.FORMAT, name=run.name, fingerprint=run.fingerprint, config=check)
    files = {
        CONFIG: config,
        DATA: to_json(data, run.subject(DATA)),
        ENVIRONMENT: to_json(environment, run.subject(ENVIRONMENT)),
        IDENTITY: to_json(identity, IDENTITY),
    }
    if code is not None:
        files[CODE] = to_json(code.record, run.subject(CODE))
    if start is not None:
        files[START] = to_json(start.record, run.subject(START))
    try:
        with atomic.directory(run.path) as temporary:
            # Made here, so that its entry is on the disk before the first checkpoint is.
            (temporary / CHECKPOINTS).mkdir()
            for file, text in files.items():
                (temporary / file).write_text(text, encoding="utf-8")
            if code is not None:
                _copy_code(temporary / CODE_COPY, code.files)
            if start is not None:
                _copy(temporary / START_COPY, {START_WEIGHTS: start.weights})
    except WorkError:
        if not run_folder.exists(run.path):
            raise


def _copy_code(folder: Path, files: Mapping[str, Mapping[str, bytes]]) -> None:
    for key, contents in files.items():
        _copy(folder / key, contents)


def _copy(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        atomic.sync(path)
    for inner in sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())]):
        atomic.sync(inner)
