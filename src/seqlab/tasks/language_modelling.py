"""The next token at each step, over whole sequences or over a running text."""

from __future__ import annotations

from typing_extensions import override

from seqlab.data.batches import Batches
from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset, Split
from seqlab.models.input_spec import InputSpec
from seqlab.schema.errors import UserError
from seqlab.tasks.cross_entropy import CrossEntropyTask
from seqlab.tasks.monitors import monitor_of
from seqlab.tasks.task import input_spec

METRICS = ("loss", "perplexity", "bits_per_token", "accuracy")


class LanguageModelTask(CrossEntropyTask):
    """Batches whose targets are the tokens one step ahead.

    Args:
        start: the token before the first one of a text.
        end: the token after the last one; None for running text.
        label_smoothing: see `CrossEntropyTask`.
        metrics: what is measured on the validation split.
        monitor: which of them picks the best checkpoint.
        of_characters: whether tokens are single characters.
    """

    unit = "token"
    output = "text"

    def __init__(
        self,
        start: int,
        end: int | None,
        *,
        label_smoothing: float = 0.0,
        metrics: tuple[str, ...] = METRICS,
        monitor: str = "loss",
        of_characters: bool = False,
    ):
        self._start, self._end = start, end
        self.label_smoothing, self.metrics = label_smoothing, metrics
        self.of_characters = of_characters
        self.monitor = monitor_of(monitor, self.unit)

    @override
    def spec(self, dataset: Dataset) -> InputSpec:
        return input_spec(dataset, outputs=len(dataset.tokenizer.vocabulary), output=self.output)

    @override
    def batches(self, split: Split, batching: Batching, seed: int | None) -> Batches:
        if split.running and not batching.running:
            raise UserError(
                "'batching.kind' must be 'stream' for running text, which has no end. "
                f"Got {batching.kind!r}. Nearest: 'stream'."
            )
        return batching.next_token_batches(split, seed, start=self._start, end=self._end)
