"""A toy encoder-decoder that copies its source: model, task, metric and data, as a user would add them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.data.batches import Batches
from seqlab.data.batching import Batching
from seqlab.data.data_kinds import DATASETS, TOKENIZERS
from seqlab.data.dataset import About, Corpus, Dataset, Split
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.sequences import Padded
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.measure.metric import Mean, TextMetric
from seqlab.measure.metric_kinds import METRICS
from seqlab.models.input_spec import InputSpec, Output
from seqlab.models.model import Capabilities, SequenceModel, State
from seqlab.models.model_config import ModelConfig, Width
from seqlab.models.model_kinds import MODELS
from seqlab.nn.initial import output_layer, uniform_embedding
from seqlab.nn.recurrent import RecurrentStack
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.records import Record, Scalar
from seqlab.schema.registry import ByKind, Registry
from seqlab.tasks.cross_entropy import CrossEntropyTask
from seqlab.tasks.loss_options import NO_OPTIONS, LossOptions
from seqlab.tasks.monitors import monitor_of
from seqlab.tasks.task import Task, input_spec
from seqlab.tasks.task_configs import TaskConfig, check_start
from seqlab.tasks.task_kinds import TASKS


class PairsConfig(DatasetConfig):
    """Random words, each with itself in capitals as its source."""

    kind: Literal["pairs"] = "pairs"
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()

    def about(self) -> About:
        return About("Words and their sources.", "generated", "none needed")

    def content_hash(self) -> str:
        return hashlib.sha256(b"pairs").hexdigest()

    def read(self) -> Corpus:
        random = np.random.default_rng(0)
        texts = {name: [_word(random) for _ in range(n)] for name, n in SIZES.items()}
        return Corpus(texts, sources={name: [word.upper() for word in part] for name, part in texts.items()})


SIZES = {"train": 400, "valid": 20, "test": 20}


def _word(random: np.random.Generator) -> str:
    return "".join(random.choice(list("abcd"), size=random.integers(1, 4)))


class CopySource(CrossEntropyTask):
    """Write the text that belongs to a source."""

    unit, output, monitor = "token", "translation", monitor_of("loss", "token")

    def __init__(self, metrics: tuple[str, ...], start: int, end: int):
        self.metrics, self._start, self._end = metrics, start, end

    def spec(self, dataset: Dataset) -> InputSpec:
        return input_spec(dataset, outputs=len(dataset.tokenizer.vocabulary))

    def batches(self, split: Split, batching: Batching, seed: int | None) -> Batches:
        return batching.next_token_batches(split, seed, start=self._start, end=self._end)


class CopySourceConfig(TaskConfig):
    """Settings of `CopySource`."""

    kind: Literal["copy-source"] = "copy-source"
    metrics: tuple[str, ...] = ("loss", "exact_match", "accuracy")
    output: ClassVar[Output] = "translation"

    @property
    def monitor_spec(self) -> MetricSpec:
        return monitor_of("loss", "token")

    def build(self, dataset: Dataset, options: LossOptions = NO_OPTIONS) -> Task:
        start, end = check_start(dataset)
        assert end is not None
        return CopySource(self.metrics, start, end)


class EncoderDecoder(SequenceModel):
    """The state of an encoder after the source is the first state of the decoder."""

    capabilities = Capabilities(causal=True)

    def __init__(self, spec: InputSpec, size: int, generator: torch.Generator):
        super().__init__()
        assert spec.source_vocabulary is not None, "the data has sources"
        draw: dict[str, Any] = {"bound": 0.3, "generator": generator}
        self.source_embedding = uniform_embedding(spec.source_vocabulary, size, **draw)
        self.encoder = RecurrentStack("gru", size, size, generator=generator)
        self.embedding = uniform_embedding(spec.vocabulary, size, **draw)
        self.decoder = RecurrentStack("gru", size, size, generator=generator)
        self.head = output_layer(size, spec.outputs, tied=None, **draw)

    def features(self, batch: Batch, state: State | None) -> tuple[Tensor, State]:
        before = self.start(len(batch), batch.source) if state is None else state
        x = self.embedding(batch.inputs.tokens)
        y, _, after = self.decoder(x, batch.inputs.lengths, before.tensors)
        return y, State(after or {})

    def start(self, batch_size: int, source: Padded | None = None) -> State:
        assert source is not None, "there is nothing to copy"
        _, _, memory = self.encoder(self.source_embedding(source.tokens), source.lengths)
        return State(memory or {})


class EncoderDecoderConfig(ModelConfig):
    """Settings of `EncoderDecoder`."""

    kind: Literal["encoder-decoder"] = "encoder-decoder"
    hidden_size: int = 32

    @property
    def widths(self) -> tuple[Width, ...]:
        return (Width("hidden_size"),)

    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        return EncoderDecoder(spec, self.hidden_size, generator)


class ExactMatch(TextMetric):
    """Share of the texts that are written without a mistake."""

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._equal = Mean()

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        equal = [h == r for h, r in zip(hypotheses, references, strict=True)]
        self._equal.add(torch.tensor(equal, dtype=torch.float64))

    def records(self, split: str) -> list[Record]:
        value = self._equal.value(split)
        return [Scalar(name="exact_match", value=value, unit="fraction of texts", split=split)]


def register(patch: pytest.MonkeyPatch) -> None:
    """Four lines, one in each registry, as long as the patch holds."""
    for registry, kind, name in (
        (DATASETS, "pairs", "PairsConfig"),
        (TASKS, "copy-source", "CopySourceConfig"),
        (MODELS, "encoder-decoder", "EncoderDecoderConfig"),
        (METRICS, "exact_match", "ExactMatch"),
    ):
        table = cast("dict[str, tuple[str, str]]", cast(Registry, registry).table)
        patch.setitem(table, kind, (f"toy_translation:{name}", "a toy"))
