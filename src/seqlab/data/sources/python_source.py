"""The source code of the running Python's standard library: real text on every machine."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.tokenizers.byte_level import BytesConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind

_log = logging.getLogger(__name__)
_EXCLUDED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
_SHARES = {"valid": 0.05, "test": 0.05}  # of the characters; the rest is train


class SourceText(NamedTuple):
    """A file's path below the standard library, and its text."""

    name: str
    text: str


class PythonSourceConfig(DatasetConfig):
    r"""Whole files in random order: 5 % of the characters for valid, 5 % for test, the rest for train.

    >>> files = [SourceText(f"{name}.py", f"{name} = 1\n") for name in "abc"]
    >>> split_files(files)
    {'train': ['c = 1\n'], 'valid': ['a = 1\n'], 'test': ['b = 1\n']}
    """

    kind: Literal["python_source"] = "python_source"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = BytesConfig()
    """How texts become tokens."""
    max_bytes: int = Field(default=5_000_000, ge=1)
    """Maximum size of all files together; files that no longer fit are left out."""
    seed: int = Field(default=0, ge=0)
    """Determines which files are taken and in which order."""

    @override
    def about(self) -> About:
        version = platform.python_version()
        return About(
            f"Source files of Python {version}'s standard library.", f"Python {version}", "PSF License"
        )

    @override
    def content_hash(self) -> str:
        digest = hashlib.sha256()
        for file in self._files():
            for part in (file.name, file.text):
                data = part.encode()
                # With its length, so that moving text from one part to the next changes the hash.
                digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()

    @override
    def read(self) -> Corpus:
        parts = split_files(self._files())
        return Corpus({split: ["\n".join(texts)] for split, texts in parts.items()}, running=True)

    def _files(self) -> list[SourceText]:
        return collect(Path(sysconfig.get_path("stdlib")), max_bytes=self.max_bytes, seed=self.seed)


def collect(folder: Path, *, max_bytes: int, seed: int) -> list[SourceText]:
    """The .py files of a folder in random order, as many as fit; those that are not UTF-8 are skipped.

    Raises:
        UserError: fewer than three files fit.
    """
    paths = sorted(_python_files(folder), key=lambda path: path.relative_to(folder).as_posix())
    files: list[SourceText] = []
    free, skipped = max_bytes, 0
    for index in np.random.default_rng(seed).permutation(len(paths)).tolist():
        if not 0 < paths[index].stat().st_size <= free:
            continue
        data = paths[index].read_bytes()
        try:
            files.append(SourceText(paths[index].relative_to(folder).as_posix(), data.decode("utf-8")))
        except UnicodeDecodeError:
            skipped += 1
        else:
            free -= len(data)
    _log.info("%d of %d files taken, %d skipped: not UTF-8.", len(files), len(paths), skipped)
    if len(files) < 3:
        raise UserError(
            "'data.max_bytes' must be large enough for at least 3 .py files. "
            f"Got {max_bytes}, enough for {len(files)} of the {len(paths)} files in {folder}."
        )
    return files


def split_files(files: list[SourceText]) -> dict[str, list[str]]:
    """Texts by split. Files in order go to valid, then to test, until each has its share; train has the rest.

    Each split gets at least one file.
    """
    total = sum(len(file.text) for file in files)
    parts: dict[str, list[str]] = {}
    begin = 0
    for index, (split, share) in enumerate(_SHARES.items()):
        end = begin + 1
        last = len(files) - len(_SHARES) + index
        while end < last and sum(len(file.text) for file in files[begin:end]) < share * total:
            end += 1
        parts[split] = [file.text for file in files[begin:end]]
        begin = end
    return {"train": [file.text for file in files[begin:]], **parts}


def _python_files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _EXCLUDED]
        yield from (Path(root, name) for name in names if name.endswith(".py"))
