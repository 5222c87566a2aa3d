"""One pass over a running text with a model that adapts to it: each token is scored before it is used.

Legend: N targets, V outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from seqlab.data.batches import Batches
from seqlab.data.batching import Batching
from seqlab.data.dataset import Split
from seqlab.data.stream_batching import StreamConfig
from seqlab.evaluate.adaptation import AdaptationConfig, CacheConfig, DynamicConfig
from seqlab.evaluate.dynamic_evaluation import (
    DynamicWeights,
    WindowScores,
    learn,
    mean_squares,
    read_window,
)
from seqlab.evaluate.fitted import ScoringProgress
from seqlab.evaluate.neural_cache import NeuralCache, mixed_nats, mixed_outputs
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.measure.evaluate import Piece, targets_at_once
from seqlab.measure.metric import Scored
from seqlab.models.modes import evaluating, unfrozen

STATISTICS_STREAMS = 100
"""Parts of the training split that are read side by side for the statistics of gradients."""


class AdaptiveScoring:
    """Scores running texts with the network of an experiment, whose weights are left as they were found.

    Statistics of gradients are computed once for each length of windows.
    """

    def __init__(self, experiment: NetworkExperiment):
        self._experiment, self._model = experiment, experiment.model
        # Without the smoothing of the training loss.
        self._task = experiment.config.task.build(experiment.dataset)
        self._task.matmul = experiment.task.matmul
        self._squares: dict[int, list[Tensor]] = {}

    def batches(self, config: AdaptationConfig, split: Split) -> Batches:
        """One pass over a text, in order; with dynamic evaluation in windows of its length."""
        if config.dynamic is None:
            return self._experiment.scoring_batches(split, streams=1)
        return self._learning_batches(split, 1, config.dynamic.window)

    def pieces(
        self,
        config: AdaptationConfig,
        split: Split,
        *,
        outputs: bool,
        progress: ScoringProgress | None = None,
    ) -> Iterator[Piece]:
        """The targets of a text, each once and in order; the model must be in a block of `adapting`.

        Args:
            config: what adapts.
            split: the text.
            outputs: whether the probabilities of all outputs are needed.
            progress: called after each window with the number done and of all.
        """
        cache = None if config.cache is None else NeuralCache(config.cache.size, config.cache.theta)
        for window in self.windows(config.dynamic, self.batches(config, split), progress):
            for features, scored in self.scored(window, outputs=outputs):
                mixed = scored
                if cache is not None and config.cache is not None:
                    mixed = _with_cache(cache, config.cache, features, scored)
                yield torch.zeros_like(scored.targets), mixed

    def windows(
        self, dynamic: DynamicConfig | None, batches: Batches, progress: ScoringProgress | None
    ) -> Iterator[WindowScores]:
        """Each window as the model reads it, which learns from it when the next one is asked for."""
        weights = None if dynamic is None else self._weights(dynamic, progress)
        state = None
        try:
            for index in range(len(batches)):
                with torch.set_grad_enabled(dynamic is not None):
                    window = read_window(self._model, batches, index, state)
                yield window
                state = window.state
                if weights is not None:
                    with torch.enable_grad():
                        learn(self._model, self._task, window)
                    weights.step()
                if progress is not None:
                    progress(index + 1, len(batches))
        finally:
            if weights is not None:
                weights.restore()

    def scored(self, window: WindowScores, *, outputs: bool) -> Iterator[tuple[Tensor, Scored]]:
        """The targets of a window with their features, some at a time; positions are those in the window."""
        features, head = window.features.detach(), self._model.head
        _, none = self._task.scores(head, features[:0], window.targets[:0], outputs=outputs)
        count = targets_at_once(none.shape[1])
        positions = torch.arange(len(window.targets), device=features.device)
        parts = (tensor.split(count) for tensor in (features, window.targets, positions))
        for some, targets, indices in zip(*parts, strict=True):
            nats, logits = self._task.scores(head, some, targets, outputs=outputs)
            yield some, Scored(nats, logits if outputs else logits[:, :0], targets, indices)

    @contextmanager
    def adapting(self) -> Iterator[None]:
        """Dropout is off inside the block, and every weight may move."""
        with evaluating(self._model), unfrozen(self._model):
            yield

    def _weights(self, config: DynamicConfig, progress: ScoringProgress | None) -> DynamicWeights:
        if config.rule == "sgd":
            return DynamicWeights(self._model, config, None)
        if config.window not in self._squares:
            train = self._experiment.dataset.splits["train"]
            batches = self._learning_batches(train, STATISTICS_STREAMS, config.window)
            with torch.enable_grad():
                self._squares[config.window] = mean_squares(self._model, self._task, batches, progress)
        return DynamicWeights(self._model, config, self._squares[config.window])

    def _learning_batches(self, split: Split, streams: int, window: int) -> Batches:
        carried = self._model.capabilities.carries_state
        batching: Batching = StreamConfig(batch_size=streams, sequence_length=window)
        if not carried:
            overlapping = self._experiment.config.batching.for_scoring(streams, window, carried=False)
            batching = overlapping.model_copy(update={"batch_size": streams, "stride": window})
        return self._task.batches(split, batching, None)


def _with_cache(cache: NeuralCache, config: CacheConfig, features: Tensor, scored: Scored) -> Scored:
    """The same targets by the mixture, whose logits are log probabilities; they are stored afterwards."""
    reading = cache.read(features, scored.targets)
    nats = mixed_nats(scored.nats, reading.nats(scored.targets), reading.empty, config.weight)
    if not scored.logits.shape[1]:
        return replace(scored, nats=nats)
    return replace(scored, nats=nats, logits=mixed_outputs(scored.logits, reading, config.weight))
