"""The least loss there is on the tokens of a generated dataset: that of the true distribution.

The distribution that generated texts are drawn from is known. So the loss of a model can be compared with
that of the distribution on the very same tokens: `loss - floor` is what the model does not know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from seqlab.data.dataset import Dataset
from seqlab.languages.explorer import WRONG, Explorer
from seqlab.languages.language import FormalLanguage


def floor(language: FormalLanguage[Any], dataset: Dataset, split: str) -> float:
    """Cross-entropy of the true distribution on a split, in nats per token; the end of each text is a token.

    On many tokens no model is below it, up to chance; one that knows the distribution reaches it exactly.
    """
    explorer = Explorer(language)
    text = dataset.splits[split].text
    total = math.fsum(nats(explorer, written) for written in texts(dataset, split))
    return total / (len(text.tokens) + len(text))


def nats(explorer: Explorer, text: str) -> float:
    """-log of the exact probability of a text, its end included; infinite for what is never drawn.

    >>> from seqlab.data.sources.ndfa import NdfaConfig
    >>> round(math.exp(-nats(Explorer(NdfaConfig().language()), "ss")), 9)
    0.25
    """
    tokens = explorer.language.split(text)
    path = explorer.walk(tokens)
    if path[-1] == WRONG:
        return math.inf
    columns = [*(explorer.columns[token] for token in tokens), explorer.end]
    probabilities = explorer.probabilities[path, columns]
    return math.inf if probabilities[-1] == 0 else float(-np.log(probabilities).sum())


def texts(dataset: Dataset, split: str) -> Iterator[str]:
    """The written texts of a split."""
    for ids in dataset.splits[split].text:
        yield dataset.tokenizer.decode(ids.tolist())
