"""Where source files come from: `$SEQLAB_DATA`, or the network once and the cache from then on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs import atomic
from seqlab.runs.atomic import sync
from seqlab.runs.named_folder import named_folder
from seqlab.runs.process_lock import process_lock
from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import DamagedFileError, DiskError, UserError, WorkError
from seqlab.schema.json_shapes import EXACT, parse_json

_log = logging.getLogger(__name__)
_TIMEOUT = 30.0  # seconds without a byte before a URL is given up
_DOWNLOAD = 7200.0  # seconds to wait for another process's download
_REST = 2_000_000_000  # nanoseconds since the last change of a file before its checksums are kept


@with_config(EXACT)
@dataclass(frozen=True)
class Checksums:
    """Checksums of a file, in hexadecimal."""

    md5: str
    sha256: str

    def match(self, known: Sequence[str]) -> bool:
        """Whether one of the known checksums, written `md5:...` or `sha256:...`, is that of this file."""
        return bool({f"md5:{self.md5}", f"sha256:{self.sha256}"}.intersection(known))


@with_config(EXACT)
class _Note(TypedDict):
    """Checksums of a file in the state in which they were computed, and a checksum of both."""

    file: dict[str, int]
    checksums: Checksums
    sha256: str


def cache_folder() -> Path:
    """The folder of all derived data: `$SEQLAB_CACHE`, or the platform's cache folder.

    Raises:
        UserError: it is no folder.
    """
    return named_folder("SEQLAB_CACHE", platformdirs.user_cache_dir("seqlab"))


def source_file(name: str, *, checksums: Sequence[str], urls: Sequence[str]) -> Path:
    """A source file: from `$SEQLAB_DATA`, from the cache, or downloaded into the cache.

    Args:
        name: path of the file below `$SEQLAB_DATA`, e.g. `imdb/aclImdb_v1.tar.gz`.
        checksums: those of all good copies, each `md5:...` or `sha256:...`.
        urls: tried in this order.

    Raises:
        UserError: `$SEQLAB_DATA` is not a folder, or a file has none of the checksums.
        WorkError: the file is not present, and no URL provided it.
    """
    own = _in_data_folder(name)
    if own is not None:
        _require(checksums_of(own), checksums, str(own))
        return own
    path = cache_folder() / "sources" / name
    if not _is_good(path, checksums):
        # A process that waits for another one's download finds the file.
        with cache_lock(name.replace("/", "-"), timeout=_DOWNLOAD):
            if not _is_good(path, checksums):
                _discard(path)
                _fetch(path, name, checksums, urls)
    return path


def _is_good(path: Path, checksums: Sequence[str]) -> bool:
    return path.is_file() and checksums_of(path).match(checksums)


def _discard(path: Path) -> None:
    """Remove a damaged file and what killed downloads left; the caller holds the file's lock."""
    with writing(path.parent):
        if os.path.lexists(path):
            _log.warning("%s is damaged and is fetched again.", path)
            path.unlink()
        for leftover in path.parent.glob(f".fetching-{path.name}-*"):
            leftover.unlink()


def checksums_of(path: Path) -> Checksums:
    """Checksums of a file, kept in the cache for as long as the file system reports no change of the file.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return _checksums_of(path)
    except OSError as error:
        raise UserError(f"{path} must be a file that can be read. Got: {error.strerror or error}.") from None


def _checksums_of(path: Path) -> Checksums:
    before, now = _state(path), time.time_ns()
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    note = cache_folder() / "verified" / f"{name}.json"
    # A missing or damaged note is not an error: the file is read.
    with suppress(DamagedFileError):
        stored = parse_json(read_text(note), _Note, note)
        found = stored["checksums"]
        if stored["file"] == before and stored["sha256"] == _note_checksum(before, asdict(found)):
            return found
    result = _read_checksums(path)
    # A change within one tick of the file system's clock is not seen; so the file must have been at rest.
    if _state(path) == before and now - before["ctime_ns"] > _REST:
        checksums = asdict(result)
        content = {"file": before, "checksums": checksums, "sha256": _note_checksum(before, checksums)}
        write_note(note, json.dumps(content))
    return result


def _state(path: Path) -> dict[str, int]:
    """What changes with the content of a file; the time of a change of status cannot be set by a program."""
    status = path.stat()
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
        "device": status.st_dev,
    }


def _note_checksum(state: Mapping[str, int], checksums: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([state, checksums], sort_keys=True).encode()).hexdigest()


def _in_data_folder(name: str) -> Path | None:
    """The file below `$SEQLAB_DATA`, if there is one."""
    if not os.environ.get("SEQLAB_DATA"):
        return None
    folder = named_folder("SEQLAB_DATA", "")
    if not folder.is_dir():
        raise UserError(f"$SEQLAB_DATA must name a folder. Got {str(folder)!r}.")
    path = folder / name
    return path if path.is_file() else None


def _require(found: Checksums, known: Sequence[str], where: str) -> None:
    if not found.match(known):
        raise UserError(
            f"{where} must have a known checksum, {' or '.join(known)}. "
            f"Got md5:{found.md5}, sha256:{found.sha256}."
        )


def _read_checksums(path: Path) -> Checksums:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            md5.update(block)
            sha256.update(block)
    return Checksums(md5.hexdigest(), sha256.hexdigest())


def _fetch(path: Path, name: str, checksums: Sequence[str], urls: Sequence[str]) -> None:
    """Try the URLs in turn until one provides a file with a known checksum."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    problems: list[OSError | ValueError] = []
    for url in urls:
        temporary = path.with_name(f".fetching-{path.name}-{secrets.token_hex(4)}")
        try:
            _download(url, temporary)
            _require(_read_checksums(temporary), checksums, url)
            sync(temporary)
            temporary.replace(path)
        except (OSError, ValueError) as error:
            problems.append(error)
        else:
            return
        finally:
            temporary.unlink(missing_ok=True)
    tried = "".join(f"\n  {url}: {problem}" for url, problem in zip(urls, problems, strict=True))
    # A download with the wrong content needs the user; an unreachable network may only need another attempt.
    kind = UserError if any(isinstance(problem, UserError) for problem in problems) else WorkError
    raise kind(
        f"{name!r} could not be fetched. Tried:{tried}\n"
        f"Put the file at $SEQLAB_DATA/{name} ($SEQLAB_DATA names a folder of your own), or try again."
    )


def _download(url: str, path: Path) -> None:
    """Download one URL into a file; network errors are OSErrors.

    A file shorter than the announced size is an error; pooch and requests check that.
    """
    from pooch import HTTPDownloader

    with _DownloadBar(path.name.removeprefix(".fetching-")) as bar:
        download = HTTPDownloader(
            progressbar=bar,  # pyright: ignore[reportArgumentType]
            timeout=_TIMEOUT,
            hooks={"response": _close_refusal},
        )
        download(url, str(path), None)


def _close_refusal(response: Any, *_: Any, **__: Any) -> None:
    """Close a connection whose response will not be read; pooch leaves it open."""
    if response.status_code >= 400:
        response.close()


class _DownloadBar:
    """The progress bar that pooch expects, drawn by rich on standard error; silent without a terminal."""

    def __init__(self, name: str):
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True)
        columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task(name)
        self.total: float = 0.0

    def __enter__(self) -> _DownloadBar:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def update(self, size: int) -> None:
        self._progress.update(self._task, advance=size, total=self.total)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Explain the operating system's errors while files are written to the cache."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            "The cache folder must be writable; $SEQLAB_CACHE names another one. "
            f"Got {folder}: {error.strerror or error}."
        ) from error


@contextmanager
def cache_lock(name: str, *, timeout: float = 600.0) -> Iterator[None]:
    """Hold a part of the cache; the lock of a killed process is released.

    Args:
        name: of the part.
        timeout: seconds to wait for another process.

    Raises:
        InUseError: another process holds it for longer.
        DiskError: the cache cannot be written.
    """
    folder = cache_folder() / "locks"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    refusal = f"The cache's {name!r} is in use by another process. Wait for it, or stop it."
    with process_lock(folder / f"{name}.lock", refusal, timeout=timeout):
        yield


def write_note(path: Path, text: str) -> None:
    """Write a small file that can be made again in place of whatever has its name.

    Processes that write it at the same time write the same content.
    """
    with writing(path.parent):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    atomic.write_text(path, text, retry="repeat the command, or name another folder by $SEQLAB_CACHE")
