"""A user's own table: one text and one label per row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus, Limit
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.locations import Location
from seqlab.data.sources.column_guess import Role, guess_column, is_usual
from seqlab.data.sources.label_checks import check_labels, label_notes
from seqlab.data.sources.labelled_table import LabelledRows, RowTexts, TableFile, scan
from seqlab.data.sources.splitting import split_rows
from seqlab.data.sources.table_format import Column, TableFormat, separator_of
from seqlab.data.sources.table_rows import column_names, require_format
from seqlab.data.sources.text_files import file_checksums, known_encoding, require_name, user_path
from seqlab.data.sources.unlabelled_files import UnlabelledFiles
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.unicode_words import UnicodeWordsConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind

TEXT, LABEL = "text", "label"
"""The columns of a table whose settings name none."""


class TableConfig(DatasetConfig):
    r"""Labelled texts from a CSV, TSV, JSONL or Parquet file, which is read row by row.

    Splits that neither a column nor a separate file gives are made from the training rows: seeded, stratified
    by label, and with equal texts on the same side.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "films.csv")
    ...     _ = path.write_text("text,label,part\nGood!,yes,train\nBad,no,train\nFine,yes,valid\n")
    ...     corpus = TableConfig(path=str(path), split_column="part", test_fraction=0.0).read()
    ...     {split: list(texts) for split, texts in corpus.texts.items()}, dict(corpus.targets)
    ({'train': ['Good!', 'Bad'], 'valid': ['Fine']}, {'train': [1, 0], 'valid': [1]})
    """

    kind: Literal["table"] = "table"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = UnicodeWordsConfig()
    """How texts become tokens."""
    path: Annotated[str, Location()]
    """The file; its extension, .csv, .tsv, .jsonl or .parquet, determines the format."""
    text_column: str = TEXT
    """Name of the column with the texts, or its number from 1 if no column has this name. Where none is named
    `text`, the only column whose name fits is read, and a note names it."""
    label_column: str = LABEL
    """Name or number of the column with the labels, which are read as text. Found like that of the texts."""
    split_column: str | None = None
    """Name or number of the column that is train, valid or test in each row; none: there is no such one."""
    valid_path: Annotated[str | None, Location()] = None
    """File of the split `valid`, with the same columns; none: it is made from the training rows."""
    test_path: Annotated[str | None, Location()] = None
    """File of the split `test`, with the same columns; none: it is made from the training rows."""
    unlabelled_path: Annotated[tuple[str, ...], Location()] = ()
    """Files of texts without labels, separated by commas: tables with the same column of texts, or text files
    with a text in each line. The vocabulary comes from them, too, and a language model learns from them.
    Texts that are in `valid` or `test` are left out."""
    valid_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Fraction of the training rows for `valid` if it is not given; 0: there is none."""
    test_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Fraction of the training rows for `test` if it is not given; 0: there is none."""
    split_seed: int = Field(default=0, ge=0)
    """Determines which rows go to the splits that are made, and which ones `train_size` keeps."""
    encoding: str = "utf-8"
    """Encoding of CSV, TSV and JSONL files, e.g. cp1252; Parquet files are always UTF-8."""
    separator: str | None = None
    """Separator of the columns of CSV and TSV files: comma, semicolon, tab, pipe or another character; none:
    the one that gives a header with the wanted columns."""
    quoting: bool | None = None
    """Whether fields of CSV and TSV files may be in double quotes, within which a separator or a line break
    is text; none: in CSV files only."""
    max_length: int | None = Field(default=None, ge=1)
    """Maximum number of tokens of a text; none: no limit."""
    keep: Literal["first", "last"] = "first"
    """Which tokens of a longer text are kept."""

    @field_validator("path", "valid_path", "test_path")
    @classmethod
    def _supported_format(cls, value: str | None) -> str | None:
        return None if value is None else require_format(require_name(value))

    @field_validator("unlabelled_path", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("unlabelled_path")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(require_name, value))

    @field_validator("separator")
    @classmethod
    def _one_separator(cls, value: str | None) -> str | None:
        return None if value is None else separator_of(value)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        return known_encoding(value)

    @model_validator(mode="after")
    def _splits_fit(self) -> TableConfig:
        if self.split_column is not None and (self.valid_path or self.test_path):
            raise ValueError(
                "'split_column' must be none if 'valid_path' or 'test_path' is given. "
                f"Got {self.split_column!r}."
            )
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                "'valid_fraction' and 'test_fraction' must leave rows to train on. "
                f"Got {self.valid_fraction:g} and {self.test_fraction:g}."
            )
        return self

    @override
    def about(self) -> About:
        description = (
            f"Your own texts: column {self.text_column!r}, labelled by column {self.label_column!r}."
        )
        if (self.text_column, self.label_column) == (TEXT, LABEL):
            description = "Your own labelled texts."
        return About(description, ", ".join(name for _, name in self._sources()), "your own data")

    @override
    def content_hash(self) -> str:
        digest = hashlib.sha256()
        for split, name in self._sources():
            digest.update(f"{split} {file_checksums(user_path(name)).sha256}\n".encode())
        return digest.hexdigest()

    @override
    def subset_seed(self) -> int:
        return self.split_seed

    @override
    def table_column(self) -> Column:
        return Column(self.text_column, "data.text_column=")

    @override
    def table_format(self) -> TableFormat:
        return TableFormat(self.encoding, self.separator, self.quoting)

    @override
    def read(self) -> Corpus:
        text, label, guessed = self._columns()
        splits = self._splits(text, label)
        names = check_labels(splits)
        self._check_none_empty(splits)
        unlabelled = self._unlabelled(text)
        return Corpus(
            texts={name: RowTexts(part.table.file, part.rows) for name, part in splits.items()},
            targets={name: part.ids(names) for name, part in splits.items()},
            label_names=names,
            limit=Limit(self.max_length, self.keep),
            notes=(*guessed, *label_notes(splits, names), *unlabelled.notes()),
            unlabelled=unlabelled if self.unlabelled_path else (),
        )

    def _columns(self) -> tuple[str, str, list[str]]:
        """The columns of texts and labels, with notes on those that were guessed from the header."""
        found = {"text": self.text_column, "label": self.label_column}
        if self.text_column != TEXT and self.label_column != LABEL:
            return self.text_column, self.label_column, []
        path, columns = user_path(self.path), [Column(name, "") for name in found.values()]
        names, notes = column_names(path, columns, self.table_format()), list[str]()
        guess: str | None
        roles: tuple[tuple[Role, str], ...] = (("text", TEXT), ("label", LABEL))
        for role, usual in roles:
            taken = [name for other, name in found.items() if other != role] + [self.split_column or ""]
            if found[role] == usual and usual not in map(str.strip, names):
                guess = guess_column(role, names, taken=taken)
                if guess is not None:
                    found[role] = guess
                    named = f"'data.{role}_column' names another"
                    notes.append(f"The {role}s are read from column {guess!r} of {path}; {named}.")
        # Where the other column is missing, the only one left may be anything, a usual name may not.
        if is_usual(found["text"]) or set(found.values()) <= set(names):
            return found["text"], found["label"], notes
        return self.text_column, self.label_column, []

    def _splits(self, text: str, label: str) -> dict[str, LabelledRows]:
        """The rows of each split: of its file or of the split column, else some of the training rows."""
        tables = {split: scan(self._file(name, text, label)) for split, name in self._files().items()}
        splits = {split: LabelledRows(table, np.arange(len(table))) for split, table in tables.items()}
        if self.split_column is not None:
            splits = splits["train"].by_column()
        shares = {"valid": self.valid_fraction, "test": self.test_fraction}
        missing = {name: share for name, share in shares.items() if name not in splits and share > 0}
        if not missing:
            return splits
        # Row by row, a text in two splits would measure memory; `split_rows` keeps equal texts together.
        whole = splits["train"]
        whole.check_splittable()
        made = split_rows(
            whole.table.labels[whole.rows], whole.table.texts[whole.rows], missing, self.split_seed
        )
        return {
            **splits,
            **{name: LabelledRows(whole.table, whole.rows[rows]) for name, rows in made.items()},
        }

    def _check_none_empty(self, splits: Mapping[str, LabelledRows]) -> None:
        for name, part in splits.items():
            if not len(part.rows):
                rows = sum(len(other.rows) for other in splits.values())
                raise UserError(
                    f"{self.path} must contain enough texts for {', '.join(splits)}. Got {rows:,} rows, "
                    f"none left for {name!r}. Add texts, or omit that split: data.{name}_fraction=0."
                )

    def _files(self) -> dict[str, str]:
        files = {"train": self.path, "valid": self.valid_path, "test": self.test_path}
        return {split: name for split, name in files.items() if name is not None}

    def _sources(self) -> list[tuple[str, str]]:
        """Every file, after what it is for."""
        return [*self._files().items(), *(("unlabelled", name) for name in self.unlabelled_path)]

    def _unlabelled(self, text: str) -> UnlabelledFiles:
        column = Column(text, "data.text_column=")
        return UnlabelledFiles(list(map(user_path, self.unlabelled_path)), column, self.table_format())

    def _file(self, name: str, text: str, label: str) -> TableFile:
        return TableFile(user_path(name), text, label, self.split_column, self.table_format())
