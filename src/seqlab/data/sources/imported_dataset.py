"""A dataset of the user's own: a function that returns the texts of each split."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus, Limit
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.sources.label_checks import sorted_labels
from seqlab.data.sources.labelled_table import SPLITS
from seqlab.data.sources.splitting import number_texts, split_rows
from seqlab.data.sources.text import split_at_lines
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.unicode_words import UnicodeWordsConfig
from seqlab.schema import own_code
from seqlab.schema.code_settings import CodeText, NamesCode
from seqlab.schema.errors import UserError, in_quotes, nearest, require_utf8, unknown
from seqlab.schema.own_arguments import call_arguments
from seqlab.schema.own_code import OwnCode, OwnCodeError
from seqlab.schema.registry import ByKind
from seqlab.schema.visible import shortened

Target = str | float
"""The label of a text, or its number."""


class ImportedDatasetConfig(DatasetConfig):
    """What a function returns: for each split texts, pairs of text and label, or one running text.

    Splits that it does not return are made from the training texts: seeded, stratified by label, and with
    equal texts on the same side.
    """

    if_changed: ClassVar[str] = "The function must return the same texts each time: seed its random draws."
    kind: Literal["import"] = "import"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = UnicodeWordsConfig()
    """How texts become tokens."""
    path: Annotated[CodeText, NamesCode()]
    """FILE.py:NAME of a function that returns a dict with the keys train, valid and test. Each value is a
    list of texts, a list of pairs (text, label) where a label is a text, a whole number or, to be predicted
    as a number, a float; or it is one running text."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the function."""
    valid_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Fraction of the training texts for `valid` if it is not returned; 0: there is none."""
    test_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Fraction of the training texts for `test` if it is not returned; 0: there is none."""
    split_seed: int = Field(default=0, ge=0)
    """Determines which texts go to the splits that are made, and which ones `train_size` keeps."""
    max_length: int | None = Field(default=None, ge=1)
    """Maximum number of tokens of a text; none: no limit."""
    keep: Literal["first", "last"] = "first"
    """Which tokens of a longer text are kept."""

    @model_validator(mode="after")
    def _splits_fit(self) -> ImportedDatasetConfig:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                "'valid_fraction' and 'test_fraction' must leave texts to train on. "
                f"Got {self.valid_fraction:g} and {self.test_fraction:g}."
            )
        return self

    @override
    def about(self) -> About:
        return About("Your own data, returned by a function.", own_code.label(self.path), "your own data")

    @override
    def content_hash(self) -> str:
        digest = hashlib.sha256()
        for name, given in self._returned().items():
            digest.update(f"{name} {given.running} {given.targets is not None} {len(given.texts)}\n".encode())
            for text, target in zip(given.texts, given.targets or [None] * len(given.texts), strict=True):
                content = text.encode("utf-8", "surrogatepass")
                digest.update(f"{len(content)} {target!r}\n".encode() + content)
        return digest.hexdigest()

    @override
    def subset_seed(self) -> int:
        return self.split_seed

    @override
    def read(self) -> Corpus:
        returned = self._returned()
        labels = _labels(own_code.label(self.path), returned)
        splits = self._with_made_splits(returned)
        for name, given in splits.items():
            if not given.texts:
                omit = "" if name == "train" else f", or omit that split: data.{name}_fraction=0"
                raise UserError(
                    f"{own_code.label(self.path)} must return enough texts for {', '.join(splits)}. Got none "
                    f"for {name!r}. Return more{omit}."
                )
        ids: dict[Target, int] = {label: index for index, label in enumerate(labels)}
        return Corpus(
            texts={name: given.texts for name, given in splits.items()},
            targets={
                name: [ids[target] for target in given.targets] if labels else list(map(float, given.targets))
                for name, given in splits.items()
                if given.targets is not None
            },
            label_names=labels,
            running=splits["train"].running,
            limit=Limit(self.max_length, self.keep),
        )

    def _returned(self) -> dict[str, _Returned]:
        code = own_code.load(self.path)
        arguments = call_arguments(code, self.arguments, key="data.arguments")
        with code.errors("it made the texts"):
            returned = code.value(**arguments)
            # Here, because a generator runs the user's code.
            parts = _parts(code, returned)
        splits = {name: _split(code, name, part) for name, part in parts.items()}
        if len({(given.running, _form(given)) for given in splits.values()}) > 1:
            forms = ", ".join(f"{_form(given)} in {name!r}" for name, given in splits.items())
            raise OwnCodeError(f"{code.label} must return every split in the same form. Got {forms}.")
        return {name: splits[name] for name in SPLITS if name in splits}

    def _with_made_splits(self, splits: dict[str, _Returned]) -> dict[str, _Returned]:
        shares = {"valid": self.valid_fraction, "test": self.test_fraction}
        missing = {name: share for name, share in shares.items() if name not in splits and share > 0}
        whole = splits["train"]
        if not missing:
            return splits
        if whole.running:
            made = split_at_lines(whole.texts[0], missing)
            return {
                **splits,
                **{name: _Returned([text] if text else [], None, True) for name, text in made.items()},
            }
        labels = number_texts(map(str, whole.targets or [""] * len(whole.texts)))
        if _form(whole) != "labels":
            labels = np.zeros_like(labels)
        rows = split_rows(labels, number_texts(whole.texts), missing, self.split_seed)
        return {**splits, **{name: whole.select(part.tolist()) for name, part in rows.items()}}


@dataclass(frozen=True)
class _Returned:
    """One split. targets: labels, or numbers; None where there are none."""

    texts: list[str]
    targets: list[str] | list[float] | None
    running: bool = False

    def select(self, rows: Sequence[int]) -> _Returned:
        targets: Any = None if self.targets is None else [self.targets[row] for row in rows]
        return _Returned([self.texts[row] for row in rows], targets)


def _form(given: _Returned) -> str:
    if given.running:
        return "one running text"
    if given.targets is None:
        return "texts"
    return "labels" if all(isinstance(target, str) for target in given.targets) else "numbers"


def _parts(code: OwnCode, returned: Any) -> dict[str, Any]:
    """What was returned for each split, with every iterable as a list."""
    if not isinstance(returned, Mapping):
        returned = {"train": returned}
    for name in returned:
        if name not in SPLITS:
            raise OwnCodeError(str(unknown("split", str(name), SPLITS, where=f"for {code.label} to return")))
    if "train" not in returned:
        raise OwnCodeError(
            f"{code.label} must return the split 'train'. Got {', '.join(returned) or 'none'}."
        )
    return {
        name: list(part) if isinstance(part, Iterable) and not isinstance(part, str) else part
        for name, part in returned.items()
    }


def _split(code: OwnCode, name: str, part: Any) -> _Returned:
    if isinstance(part, str):
        require_utf8(part, f"The text of split {name!r} of {code.label}")
        return _Returned([part], None, True)
    if not isinstance(part, list):
        raise OwnCodeError(
            f"{code.label} must return a list of texts, a list of pairs (text, label) or one text for each "
            f"split. Got {type(part).__name__} for {name!r}."
        )
    pairs = bool(part) and not isinstance(part[0], str)
    for index, item in enumerate(part):
        if not (_is_pair(item) if pairs else isinstance(item, str)):
            wanted = "a pair (text, label)" if pairs else "a text"
            raise OwnCodeError(
                f"Item {index} of split {name!r} of {code.label} must be {wanted}. Got {_shown(item)}."
            )
        require_utf8(item[0] if pairs else item, f"Item {index} of split {name!r} of {code.label}")
    if not pairs:
        return _Returned(part, None)
    return _Returned([text for text, _ in part], _targets(code, name, [target for _, target in part]))


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], str)


def _shown(item: Any) -> str:
    if isinstance(item, tuple | list):
        return f"({', '.join(type(each).__name__ for each in item)})"
    return type(item).__name__


def _targets(code: OwnCode, name: str, given: list[Any]) -> list[str] | list[float]:
    """Labels as texts where there are texts or whole numbers only, numbers where one is a float."""
    numbers = any(isinstance(target, Real) and not isinstance(target, Integral) for target in given)
    for index, target in enumerate(given):
        fits = _is_finite(target) if numbers else isinstance(target, str | Integral)
        if not fits or target == "":
            wanted = "a finite number, as another label is" if numbers else "a text or a number"
            got = shortened(repr(target)) if isinstance(target, Real | str) else type(target).__name__
            raise OwnCodeError(
                f"The label of item {index} of split {name!r} of {code.label} must be {wanted}. Got {got}."
            )
        if isinstance(target, str):
            require_utf8(target, f"The label of item {index} of split {name!r} of {code.label}")
    return [float(target) for target in given] if numbers else [str(target) for target in given]


def _is_finite(target: Any) -> bool:
    try:
        return isinstance(target, Real) and math.isfinite(target)
    except OverflowError:  # more digits than a float holds
        return False


def _labels(what: str, splits: Mapping[str, _Returned]) -> tuple[str, ...]:
    """The labels of the training texts, sorted; () where there are none."""
    train = splits["train"]
    if _form(train) != "labels":
        return ()
    names = sorted_labels({str(label) for label in train.targets or ()})
    if len(names) < 2:
        raise UserError(f"{what} must return at least 2 labels. Got {in_quotes(names[0])} for every text.")
    for split, given in splits.items():
        for label in map(str, given.targets or ()):
            if label not in names:
                hint = nearest(label, names)
                raise UserError(
                    f"{what}: every label must occur in training. Got {in_quotes(label)} in {split!r} "
                    f"only.{f' Nearest: {in_quotes(hint)}.' if hint else ''}"
                )
    return tuple(names)
