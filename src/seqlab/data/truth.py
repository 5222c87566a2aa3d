"""What the truth itself pays: exact probabilities of generated texts, and the least loss there is.

A generated dataset knows the distribution its texts are drawn from. So the loss of a model can be
compared with that of the truth on the very same tokens: `loss - floor` is what the model does not know.
"""

from __future__ import annotations

import math
from itertools import pairwise

from seqlab.data.dataset import Dataset
from seqlab.data.generated import GeneratedConfig
from seqlab.data.tokenizers import END


def nats(config: GeneratedConfig, text: str) -> float:
    """-log of a text's exact probability, its end included; infinite for what is never drawn.

    >>> from seqlab.data.ndfa import NdfaConfig
    >>> round(math.exp(-nats(NdfaConfig(), "ss")), 9)
    0.25
    """
    total = 0.0
    for place, token in enumerate([*text, END]):
        probability = config.next_token(text[:place]).get(token, 0.0)
        if probability == 0.0:
            return math.inf
        total -= math.log(probability)
    return total


def floor(config: GeneratedConfig, dataset: Dataset, split: str) -> float:
    """The truth's own cross-entropy on a split, in nats per token, each text's end being one.

    On many tokens no model stays below it, up to chance; one that knows the truth is at it exactly.
    """
    data = dataset.splits[split]
    texts = [
        dataset.tokenizer.decode(data.tokens[begin:end].tolist()) for begin, end in pairwise(data.offsets)
    ]
    return math.fsum(nats(config, text) for text in texts) / (len(data.tokens) + len(texts))
