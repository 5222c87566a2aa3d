"""The files of an encoded dataset: arrays as .npy files, opened memory-mapped, and one JSON file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray
from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.data.cache_entry import check_entry
from seqlab.data.dataset import Dataset, Limit, Split
from seqlab.data.encode import UNLABELLED, Content, EncodableConfig
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.tokenizer import tokenizer_from
from seqlab.runs.typed_json import read_text
from seqlab.schema.json_shapes import EXACT, Count, parse_json

_META = "meta.json"


@with_config(EXACT)
class _Meta(TypedDict):
    """What a folder says of its arrays; the last four by split, `splits` the names of its arrays.

    The unlabelled texts are listed as a split. left_out: see `Dataset`.
    """

    tokenizer: dict[str, Any]
    source_tokenizer: dict[str, Any] | None
    labels: list[str]
    limit: Limit
    notes: list[str]
    left_out: dict[str, Count]
    running: dict[str, bool]
    splits: dict[str, list[str]]
    texts_sha256: dict[str, str]


def write_files(folder: Path, content: Content) -> None:
    """Write the arrays and the description of encoded texts to a folder."""
    for name, split in content.splits.items():
        for key, array in _arrays(split).items():
            _save(folder / f"{name}.{key}.npy", array)
    meta = {
        "tokenizer": content.tokenizer.spec(),
        "source_tokenizer": content.source_tokenizer and content.source_tokenizer.spec(),
        "running": {name: split.running for name, split in content.splits.items()},
        "labels": content.labels,
        "limit": dataclasses.asdict(content.limit),
        "notes": content.notes,
        "left_out": dict(content.left_out),
        "splits": {name: list(_arrays(split)) for name, split in content.splits.items()},
        "texts_sha256": {name: split.texts_sha256 for name, split in content.splits.items()},
    }
    (folder / _META).write_text(json.dumps(meta), encoding="utf-8")


def read_files(folder: Path, config: EncodableConfig, content: str) -> Dataset:
    """The dataset of a folder.

    Args:
        folder: complete, with its checksums.
        config: of the dataset.
        content: SHA-256 of its sources.

    Raises:
        ValueError: a file is damaged, or they do not belong together.
    """
    check_entry(folder)
    meta = parse_json(read_text(folder / _META), _Meta, folder / _META)
    source_tokenizer = meta["source_tokenizer"]
    splits = {name: _load_split(folder, name, meta) for name in meta["splits"]}
    unlabelled = splits.pop(UNLABELLED, None)
    dataset = Dataset(
        name=config.kind,
        splits=splits,
        tokenizer=tokenizer_from(meta["tokenizer"], config.tokenizer),
        labels=tuple(meta["labels"]),
        limit=meta["limit"],
        content_hash=content,
        about=config.about(),
        notes=tuple(meta["notes"]),
        source_tokenizer=None
        if source_tokenizer is None
        else tokenizer_from(source_tokenizer, config.source_tokenizer_config()),
        unlabelled=unlabelled,
        left_out=meta["left_out"],
    )
    for name, split in {**splits, **({} if unlabelled is None else {UNLABELLED: unlabelled})}.items():
        _check_values(split, name, dataset)
    return dataset


def _arrays(split: Split) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"tokens": split.text.tokens, "offsets": split.text.offsets}
    if split.source is not None:
        arrays |= {"source_tokens": split.source.tokens, "source_offsets": split.source.offsets}
    if split.targets is not None:
        arrays["targets"] = split.targets
    if split.keys is not None:
        arrays["keys"] = split.keys
    return arrays


def _save(path: Path, array: NDArray[Any]) -> None:
    """Write an array as `numpy.save` does, which does not report why it failed, such as a full disk."""
    with path.open("wb") as file:
        numpy_format.write_array_header_1_0(file, numpy_format.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).data)


def _check_values(split: Split, name: str, dataset: Dataset) -> None:
    """Make sure that tokens are of the vocabulary, and targets of the labels.

    Raises:
        ValueError: they are not.
    """
    encoded: list[tuple[NDArray[Any], int]] = [(split.text.tokens, len(dataset.tokenizer.vocabulary))]
    if split.source is not None and dataset.source_tokenizer is not None:
        encoded.append((split.source.tokens, len(dataset.source_tokenizer.vocabulary)))
    if split.targets is not None and dataset.labels:
        encoded.append((split.targets, len(dataset.labels)))
    for ids, count in encoded:
        if ids.dtype.kind != "i" or (len(ids) and not 0 <= ids.min() <= ids.max() < count):
            raise ValueError(f"{name!r} has ids that are not below {count}")


def _load_split(folder: Path, name: str, meta: _Meta) -> Split:
    # As plain arrays: indexing a numpy.memmap is slower.
    arrays: dict[str, NDArray[Any]] = {
        key: np.asarray(np.load(folder / f"{name}.{key}.npy", mmap_mode="r", allow_pickle=False))
        for key in meta["splits"][name]
    }
    source = None
    if "source_tokens" in arrays:
        source = Ragged(arrays["source_tokens"], arrays["source_offsets"])
    split = Split(
        Ragged(arrays["tokens"], arrays["offsets"]),
        source,
        arrays.get("targets"),
        meta["running"][name],
        meta["texts_sha256"][name],
        arrays.get("keys"),
    )
    _check_split(split, name)
    return split


def _check_split(split: Split, name: str) -> None:
    """Make sure that the arrays of a split belong together.

    Raises:
        ValueError: they do not.
    """
    texts = [split.text] if split.source is None else [split.text, split.source]
    for text in texts:
        offsets, tokens = text.offsets, text.tokens
        types = (offsets.dtype, tokens.dtype) == (np.int64, np.int32) and offsets.ndim == tokens.ndim == 1
        if not (types and len(offsets) and offsets[0] == 0 and offsets[-1] == len(tokens)):
            raise ValueError(f"the texts of {name!r} do not end where their tokens do")
        if (np.diff(offsets) < 0).any():
            raise ValueError(f"a text of {name!r} has less than no tokens")
    others = [array for array in (split.source, split.targets, split.keys) if array is not None]
    if any(len(array) != len(split) for array in others):
        raise ValueError(f"the texts of {name!r} and what belongs to them are not equally many")
