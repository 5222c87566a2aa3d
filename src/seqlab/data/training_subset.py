"""A part of a training split: some of its texts, or the beginning of a running text.

Parts are nested: with the same seed a smaller one is contained in a larger one, so that a curve over sizes
shows what more data adds, not what other data does. Legend: N texts, K kept ones.
"""

from __future__ import annotations

import dataclasses
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from seqlab.data.dataset import Corpus
from seqlab.data.lazy_texts import KeptTexts
from seqlab.schema.errors import UserError

Integers = NDArray[np.int64]


def keep_training(corpus: Corpus, size: int, *, seed: int, even: bool) -> Corpus:
    """A corpus with a part of its training split.

    Args:
        corpus: with the whole split.
        size: texts that are kept, in their order; of a running text its first characters.
        seed: determines which texts.
        even: whether equally many texts of each label are kept, rather than each label's share.

    Raises:
        UserError: there is not as much, or less than a text of each label would be kept.

    >>> corpus = Corpus({"train": ["A running text."]}, running=True)
    >>> keep_training(corpus, 9, seed=0, even=False).texts["train"]
    ['A running']
    """
    texts = corpus.texts["train"]
    if corpus.running:
        (text,) = texts
        _check_size(size, len(text), "characters")
        return dataclasses.replace(corpus, texts={**corpus.texts, "train": [text[:size]]})
    targets = corpus.targets.get("train")
    has_labels = targets is not None and len(corpus.label_names) > 0
    labels = np.array(targets if has_labels else [0] * len(texts), dtype=np.int64)
    order = nested_order(labels, seed=seed, even=even)
    evenly = " with equally many of each label" if len(order) < len(texts) else ""
    _check_size(size, len(order), f"examples{evenly}")
    _check_labels(size, len(np.unique(labels)))
    kept = np.zeros(len(texts), dtype=np.bool_)
    kept[order[:size]] = True
    return dataclasses.replace(
        corpus,
        texts={**corpus.texts, "train": KeptTexts(texts, kept)},
        targets=corpus.targets
        if targets is None
        else {**corpus.targets, "train": [*compress(targets, kept)]},
        sources={**corpus.sources, "train": KeptTexts(corpus.sources["train"], kept)}
        if corpus.sources
        else {},
    )


def nested_order(labels: Integers, *, seed: int, even: bool) -> Integers:
    """The order in which texts are kept: random, with a text of each label first.

    Args:
        labels: (N,) label of each text, N > 0; all the same where there are none.
        seed: determines the order.
        even: whether labels take turns until the rarest one has no text left; the order ends there. Else
            every beginning of the order has about the share of each label.

    Returns:
        (K,) indices; K = N unless `even`.

    >>> labels = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    >>> labels[nested_order(labels, seed=0, even=False)].tolist()
    [0, 1, 0, 0, 0, 0, 1, 0]
    >>> labels[nested_order(labels, seed=0, even=True)].tolist()
    [0, 1, 0, 1, 0]
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    by_label = [order[labels[order] == label] for label in np.unique(labels)]
    ranks = np.concatenate([np.arange(len(part)) for part in by_label])
    if even:
        counts = [len(part) for part in by_label]
        # Within a turn the labels come in their order, so those before the rarest one have one text more.
        kept = len(counts) * min(counts) + counts.index(min(counts))
        turns = ranks
    else:
        shares = np.concatenate([(np.arange(len(part)) + 0.5) / len(part) for part in by_label])
        kept, turns = len(order), np.where(ranks == 0, -1.0, shares)
    return np.concatenate(by_label)[np.argsort(turns, kind="stable")][:kept]


def _check_size(size: int, most: int, unit: str) -> None:
    if size > most:
        raise UserError(
            f"'data.train_size' must be at most what the training split has, {most:,} {unit}. "
            f"Got {size:,}. Nearest: {most}."
        )


def _check_labels(size: int, labels: int) -> None:
    if size < labels:
        raise UserError(
            f"'data.train_size' must keep an example of each of the {labels} labels. Got {size}. "
            f"Nearest: {labels}."
        )
