"""A user's own table: one text and one label a row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus, Limit
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.fetch import sums
from seqlab.data.sources.labelled_table import (
    LabelledRows,
    RowTexts,
    TableFile,
    check_labels,
    label_notes,
    scan,
)
from seqlab.data.sources.splitting import split_rows
from seqlab.data.sources.table_rows import require_ending
from seqlab.data.sources.text_files import known_encoding, require_file
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.unicode_words import UnicodeWordsConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


class TableConfig(DatasetConfig):
    r"""Labelled texts of a CSV, TSV, JSONL or Parquet file, which is read row by row.

    Splits that neither a column nor a file of their own gives are made of the training rows: seeded, the same
    share of each label, equal texts never torn apart.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "films.csv")
    ...     _ = path.write_text("text,label,part\nGood!,yes,train\nBad,no,train\nFine,yes,valid\n")
    ...     corpus = TableConfig(path=str(path), split_column="part", test_fraction=0.0).read()
    ...     {split: list(texts) for split, texts in corpus.texts.items()}, dict(corpus.labels)
    ({'train': ['Good!', 'Bad'], 'valid': ['Fine']}, {'train': [1, 0], 'valid': [1]})
    """

    kind: Literal["table"] = "table"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = UnicodeWordsConfig()
    """How texts become tokens."""
    path: str
    """The file; its ending, .csv, .tsv, .jsonl or .parquet, says how it is read."""
    text_column: str = "text"
    """Name of the column that holds the texts."""
    label_column: str = "label"
    """Name of the column that holds the labels; numbers are taken as text."""
    split_column: str | None = None
    """Name of the column that says train, valid or test; none: there is no such column."""
    valid_path: str | None = None
    """File of the split `valid`, with the same columns; none: it is made."""
    test_path: str | None = None
    """File of the split `test`, with the same columns; none: it is made."""
    valid_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the training rows that makes `valid` where it is not given; 0: there is none."""
    test_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the training rows that makes `test` where it is not given; 0: there is none."""
    split_seed: int = Field(default=0, ge=0)
    """Fixes which rows go to the splits that are made."""
    encoding: str = "utf-8"
    """Encoding of the text in CSV, TSV and JSONL files, e.g. cp1252; a Parquet file knows its own."""
    max_length: int | None = Field(default=None, ge=1)
    """Tokens of a text at most; none: no limit."""
    keep: Literal["first", "last"] = "first"
    """Which tokens of a longer text are kept."""

    @field_validator("path", "valid_path", "test_path")
    @classmethod
    def _ending(cls, value: str | None) -> str | None:
        return None if value is None else require_ending(value)

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_encoding(value)

    @model_validator(mode="after")
    def _splits_fit(self) -> TableConfig:
        if self.split_column is not None and (self.valid_path or self.test_path):
            raise ValueError(
                "'split_column' must be none where 'valid_path' or 'test_path' is given. "
                f"Got {self.split_column!r}."
            )
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                "'valid_fraction' and 'test_fraction' must leave rows to train on. "
                f"Got {self.valid_fraction:g} and {self.test_fraction:g}."
            )
        return self

    def about(self) -> About:
        """Origin and licence."""
        return About(
            f"Own data: column {self.text_column!r}, labelled by column {self.label_column!r}.",
            ", ".join(self._files().values()),
            "own data; its owner knows the terms",
        )

    def content_hash(self) -> str:
        """SHA-256 of the files' SHA-256."""
        digest = hashlib.sha256()
        for split, name in self._files().items():
            require_file(Path(name))
            digest.update(f"{split} {sums(Path(name)).sha256}\n".encode())
        return digest.hexdigest()

    def read(self) -> Corpus:
        """See `DatasetConfig.read`; texts are read from the files each time they are gone through.

        Raises:
            UserError: a file, a column, a label or a text is not what it must be; the row is named.
        """
        splits = self._splits()
        names = check_labels(splits)
        self._check_none_empty(splits)
        return Corpus(
            texts={name: RowTexts(part.table.file, part.rows) for name, part in splits.items()},
            targets={name: part.ids(names) for name, part in splits.items()},
            label_names=names,
            limit=Limit(self.max_length, self.keep),
            notes=tuple(label_notes(splits, names)),
        )

    def _splits(self) -> dict[str, LabelledRows]:
        """The rows of each split: of the files and the column as they say, of `train` where they do not."""
        tables = {split: scan(self._file(name)) for split, name in self._files().items()}
        splits = {split: LabelledRows(table, np.arange(len(table))) for split, table in tables.items()}
        if self.split_column is not None:
            splits = splits["train"].by_column()
        shares = {"valid": self.valid_fraction, "test": self.test_fraction}
        missing = {name: share for name, share in shares.items() if name not in splits and share > 0}
        if not missing:
            return splits
        whole = splits["train"]
        whole.check_divisible()
        made = split_rows(
            whole.table.labels[whole.rows], whole.table.texts[whole.rows], missing, self.split_seed
        )
        divided = {name: LabelledRows(whole.table, whole.rows[rows]) for name, rows in made.items()}
        return {**splits, **divided}

    def _check_none_empty(self, splits: Mapping[str, LabelledRows]) -> None:
        for name, part in splits.items():
            if not len(part.rows):
                rows = sum(len(other.rows) for other in splits.values())
                raise UserError(
                    f"{self.path} must hold enough texts to make {', '.join(splits)} of. Got {rows:,} rows, "
                    f"none left for {name!r}. Add texts, or do without that split: data.{name}_fraction=0."
                )

    def _files(self) -> dict[str, str]:
        files = {"train": self.path, "valid": self.valid_path, "test": self.test_path}
        return {split: name for split, name in files.items() if name is not None}

    def _file(self, name: str) -> TableFile:
        return TableFile(Path(name), self.text_column, self.label_column, self.split_column, self.encoding)
