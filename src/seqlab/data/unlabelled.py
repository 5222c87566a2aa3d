"""Unlabelled texts: none of them may be one that a model is scored on. Legend: N unlabelled texts."""

from __future__ import annotations

import dataclasses

import numpy as np

from seqlab.data.dataset import Corpus
from seqlab.data.lazy_texts import KeptTexts
from seqlab.data.shared_texts import text_keys
from seqlab.schema.errors import UserError
from seqlab.stats.formatting import counted


def leave_out(corpus: Corpus) -> Corpus:
    """The corpus without the unlabelled texts that equal a text of a split other than `train`.

    Counts and a note say how many they were.

    Raises:
        UserError: no text is left.

    >>> corpus = Corpus({"train": ["a"], "test": ["b", "c"]}, unlabelled=["a", "b", "d", "b"])
    >>> leave_out(corpus).notes
    ("Of 4 unlabelled texts 2 are left out, because they are in a split that is scored: 2 in 'test'.",)
    """
    if corpus.unlabelled == ():
        return corpus
    keys = text_keys(corpus.unlabelled)
    splits = {name: texts for name, texts in corpus.texts.items() if name != "train"}
    scored = {name: np.isin(keys, text_keys(texts)) for name, texts in splits.items()}
    kept = ~np.any([np.zeros(len(keys), np.bool_), *scored.values()], axis=0)
    if not kept.any():
        raise UserError(
            "Unlabelled texts must be others than those of the splits that are scored. Got "
            f"{counted(len(keys), 'text')}, and {', '.join(map(repr, scored))} have all of them."
        )
    left_out = {name: int(found.sum()) for name, found in scored.items()}
    return dataclasses.replace(
        corpus,
        unlabelled=KeptTexts(corpus.unlabelled, kept),
        left_out=left_out,
        notes=(*corpus.notes, _note(len(keys), int(kept.sum()), left_out)),
    )


def _note(count: int, kept: int, left_out: dict[str, int]) -> str:
    texts = counted(count, "unlabelled text")
    if kept == count:
        return f"Of {texts} none is in a split that is scored."
    because = "is left out, because it is" if count - kept == 1 else "are left out, because they are"
    found = ", ".join(f"{number:,} in {name!r}" for name, number in left_out.items() if number)
    return f"Of {texts} {count - kept:,} {because} in a split that is scored: {found}."
