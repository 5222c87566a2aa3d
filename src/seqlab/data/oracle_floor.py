"""What the truth itself pays: the least loss there is on the tokens of a generated dataset.

A generated dataset knows the distribution its texts are drawn from. So the loss of a model can be compared
with that of the truth on the very same tokens: `loss - floor` is what the model does not know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from seqlab.data.dataset import Dataset
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.languages.explorer import WRONG, Explorer


def floor(config: GeneratedConfig, dataset: Dataset, split: str) -> float:
    """The truth's own cross-entropy on a split, in nats per token, each text's end being one.

    On many tokens no model stays below it, up to chance; one that knows the truth is at it exactly.
    """
    explorer = Explorer(config.language())
    data = dataset.splits[split]
    total = math.fsum(nats(explorer, text) for text in texts(dataset, split))
    return total / (len(data.tokens) + len(data))


def nats(explorer: Explorer, text: str) -> float:
    """-log of a text's exact chance, its end included; infinite for what is never drawn.

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
    data = dataset.splits[split]
    for begin, end in pairwise(data.offsets.tolist()):
        yield dataset.tokenizer.decode(data.tokens[begin:end].tolist())
