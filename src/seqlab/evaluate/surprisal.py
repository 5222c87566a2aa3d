"""The surprisal of each token of a text under a language model. Legend: T targets."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from seqlab.data.batches import Batches
from seqlab.data.batching import Batching, SequencesConfig
from seqlab.data.dataset import Split
from seqlab.data.ragged import ragged
from seqlab.data.stream_batching import StreamConfig
from seqlab.data.tokenizers.spans import Span
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate.text_predictor import TokenModel
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.network_experiment import WINDOW
from seqlab.experiment.numerics import numerics
from seqlab.models.modes import device_of, evaluating
from seqlab.schema.text_explanation import BITS, ExplainedWord, TextExplanation

Floats = NDArray[np.float64]

MEANING = (
    "The surprisal of a token is -log2 of the probability that the model gives it after the tokens before "
    "it, in bits: 1 bit is a probability of a half. Surprisals add up to that of the text, and their mean is "
    "the model's loss in bits per token."
)
FLOOR_MEANING = (
    "Beside it is the surprisal under the true distribution, which generated this kind of text: what cannot "
    "be known in advance. A model is above it on average."
)


class Surprisal:
    """The surprisals of texts under the language model of a run, and the true ones where they are known."""

    def __init__(self, config: AnyExperimentConfig, loaded: TokenModel):
        self._config, self._model, self._tokenizer = config, loaded.model, loaded.tokenizer
        self._oracle = config.data.oracle(loaded.tokenizer)

    @property
    def meaning(self) -> str:
        """What a surprisal is, in sentences."""
        return MEANING if self._oracle is None else f"{MEANING} {FLOOR_MEANING}"

    def explanation(self, text: str) -> TextExplanation:
        """Every token of a text with its surprisal; the end of a text is one where the model predicts it.

        Tokens that share a character, as the bytes of one do, are one word.
        """
        ids = np.array(self._tokenizer.encode(text), dtype=np.int32)
        bits, floors = self._bits(ids), self._floors(ids)
        words = tuple(_words(text, self._tokenizer, ids, bits, floors))
        total = math.fsum(bits.tolist())
        return TextExplanation(
            text=text,
            predicted="",
            label="",
            probability=None,
            value=total,
            baseline=0.0,
            gap=0.0,
            steps=None,
            converged=True,
            words=words,
            unit=BITS,
            targets=len(bits),
            floor=None if floors is None or np.isnan(floors).any() else math.fsum(floors.tolist()),
            possible=None if floors is None else sum(word.floor is not None for word in words),
        )

    def _bits(self, ids: NDArray[np.int32]) -> Floats:
        """(T,) of each token and, of a separate text, of its end: read as when a split is scored."""
        model, found = self._model, list[torch.Tensor]()
        device = device_of(model)
        with numerics(device.type, None), evaluating(model):
            state, batches = None, self._batches(ids)
            for index, batch in enumerate(batches):
                counted = batches.counted(index)
                mask = batch.target_mask if counted is None else batch.target_mask & counted
                here = batch.to(device)
                features, state = model.features(here, state if batches.carried else None)
                logits = model.head(features[mask.to(device)]).double()
                found.append(functional.cross_entropy(logits, here.target_values[mask], reduction="none"))
        return (torch.cat(found).cpu().numpy() if found else np.zeros(0)) / math.log(2)

    def _batches(self, ids: NDArray[np.int32]) -> Batches:
        vocabulary, batching = self._tokenizer.vocabulary, self._batching()
        assert vocabulary.start is not None, "checked when the task was built"
        split = Split(ragged([ids]), running=vocabulary.running)
        return batching.next_token_batches(split, None, start=vocabulary.start, end=vocabulary.end)

    def _batching(self) -> Batching:
        if not self._tokenizer.vocabulary.running:
            return SequencesConfig(batch_size=1)
        in_training = self._config.training_batching
        if self._model.capabilities.carries_state or in_training is None:
            return StreamConfig(batch_size=1, sequence_length=WINDOW)
        return in_training.for_scoring(1, WINDOW, carried=False)

    def _floors(self, ids: NDArray[np.int32]) -> Floats | None:
        """(T,) under the true distribution, NaN from a token on that cannot follow; None where not known."""
        if self._oracle is None:
            return None
        targets = np.append(ids, self._oracle.end)
        probabilities = self._oracle.probabilities(ids)[np.arange(len(targets)), targets]
        possible = np.logical_and.accumulate(probabilities > 0)
        return 0.0 - np.log2(np.where(possible, probabilities, np.nan))


def _words(
    text: str, tokenizer: Tokenizer, ids: NDArray[np.int32], bits: Floats, floors: Floats | None
) -> Iterator[ExplainedWord]:
    vocabulary = tokenizer.vocabulary
    targets = ids.tolist() if vocabulary.end is None else [*ids.tolist(), vocabulary.end]
    names = vocabulary.names(targets)
    groups = list(_grouped(tokenizer.spans(text), len(ids)))
    groups += [(None, [token]) for token in range(len(ids), len(targets))]
    for span, tokens in groups:
        floor = math.nan if floors is None else float(floors[tokens].sum())
        unknown = all(targets[token] == vocabulary.unknown for token in tokens)
        yield ExplainedWord(
            text="".join(names[token] for token in tokens) if span is None else text[slice(*span)],
            start=None if span is None else span[0],
            end=None if span is None else span[1],
            tokens=tuple(names[token] for token in tokens),
            effect=float(bits[tokens].sum()),
            status="unknown" if unknown else "read",
            floor=None if math.isnan(floor) else floor,
        )


def _grouped(spans: list[Span] | None, count: int) -> Iterator[tuple[Span | None, list[int]]]:
    """The tokens of each word: one each, but those whose characters overlap are one word.

    >>> list(_grouped([(0, 1), (1, 2), (1, 2)], 3)), list(_grouped(None, 2))
    ([((0, 1), [0]), ((1, 2), [1, 2])], [(None, [0]), (None, [1])])
    """
    if spans is None or len(spans) != count:
        yield from ((None, [token]) for token in range(count))
        return
    begin, end = 0, 0
    tokens = list[int]()
    for token, (start, stop) in enumerate(spans):
        if tokens and start >= end:
            yield (begin, end), tokens
            tokens = []
        begin, end = (begin, max(end, stop)) if tokens else (start, stop)
        tokens.append(token)
    if tokens:
        yield (begin, end), tokens
