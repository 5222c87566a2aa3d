"""Sizes are refused before anything is built, and nothing is refused that fits."""

from __future__ import annotations

import own_models
import own_optimizers
import pytest
import tiny
import torch

from seqlab.data.batching import PackedConfig, SequencesConfig, TokensConfig
from seqlab.data.dataset import Split
from seqlab.data.ragged import ragged
from seqlab.data.sequences import Padded
from seqlab.data.stream_batching import StreamConfig
from seqlab.experiment import limits, recipes
from seqlab.experiment.averaging import EmaConfig, NoAveragingConfig
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.optimizers import OptimizerConfig
from seqlab.experiment.training_kinds import OPTIMIZERS
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_kinds import MODELS
from seqlab.runs import memory
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

SPEC = InputSpec(vocabulary=50, outputs=7)
CPU = torch.device("cpu")
KEPT = {"sgd": 0, "adam": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))


@pytest.mark.parametrize("kind", list(MODELS))
def test_the_number_of_parameters_needs_no_memory(kind: str) -> None:
    own = {"path": f"{own_models.__file__}:MaskClassifier"} if kind == "import" else {}
    model = parse(MODELS[kind], {"kind": kind, **own})
    built = model.build(SPEC, torch.Generator())
    assert limits.count_parameters(model, SPEC) == sum(p.numel() for p in built.parameters())


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_what_optimizers_keep(kind: str) -> None:
    own = {"path": f"{own_optimizers.__file__}:SignMomentum"} if kind == "import" else {}
    optimizer: OptimizerConfig = parse(OPTIMIZERS[kind], {"kind": kind, "learning_rate": 0.1, **own})
    weight = torch.nn.Parameter(torch.ones(30, 7))
    built = optimizer.build([weight])
    weight.grad = torch.ones(30, 7)
    built.step()
    kept = sum(v.numel() for v in built.state[weight].values() if torch.is_tensor(v) and v.dim() == 2)
    assert limits.state_size(optimizer) == kept / weight.numel()
    assert limits.state_size(optimizer) == KEPT.get(kind, limits.state_size(optimizer))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["model.hidden_size=1000000000"], r"Got model\.hidden_size=1000000000 "),
        ([f"model.hidden_size={10**30}"], r"over 10\^24 parameters .*: at least 1000\.0 EiB"),
        (["model.hidden_size=200000"], r"160,0\d\d,\d\d\d,\d\d\d parameters .*: at least 2\.3 TiB"),
        (["model.cutoffs=3,1000000000000"], r"Got model\.cutoffs=3,1000000000000 model\.embedding_size="),
        (["samples.count=1000000000000"], r"Got samples\.count=1000000000000 samples\.max_tokens=100: "),
        (["samples.max_tokens=1000000000000"], r"samples\.max_tokens=1000000000000: at least "),
        (["samples.checked=1000000000000"], r"Got samples\.checked=1000000000000 "),
        (["samples.checked_at_end=1000000000000"], r"Got samples\.checked_at_end=1000000000000 "),
    ],
)
def test_refused_before_the_data_is_read(
    settings: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: 64 * 2**30)
    config = recipes.network("brackets-lstm", ["data.train=1000000000000", *settings])
    with pytest.raises(UserError, match=rf"must fit into the 64\.0 GiB of memory .*{words}"):
        config.dataset()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("model.layers=1000000", r"'model\.layers' must be less than or equal to 1000\. Got 1000000"),
        ("data.tokenizer.kind=bpe data.tokenizer.size=1000000000", r"'data\.tokenizer\.size' must be less"),
    ],
)
def test_sizes_that_no_machine_has(setting: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        recipes.configure("brackets-lstm", setting.split())


def test_the_vocabulary_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, gradients and two moments of 1,000 x 100 embeddings are 1.6 MB."""
    config = recipes.network("brackets-lstm", [*tiny.BRACKETS[1:], "model.embedding_size=100"])
    spec = InputSpec(vocabulary=1000, outputs=3)
    monkeypatch.setattr(memory, "memory_limit", lambda: 1_600_000)
    limits.check_model(config.model, config.training.optimizer, NoAveragingConfig())
    with pytest.raises(UserError, match=r"model\.embedding_size=100 .*at least 1\.6 MiB"):
        limits.check_model(config.model, config.training.optimizer, NoAveragingConfig(), spec)


def test_an_average_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, gradients, two moments and one average of 1,000 x 100 embeddings are 2 MB."""
    config = tiny.configure(tiny.BRACKETS, "model.embedding_size=100")
    spec = InputSpec(vocabulary=1000, outputs=3)
    monkeypatch.setattr(memory, "memory_limit", lambda: 1_900_000)
    limits.check_model(config.model, config.training.optimizer, NoAveragingConfig(), spec)
    with pytest.raises(UserError, match=r"model\.embedding_size=100 .*at least 1\.9 MiB"):
        limits.check_model(config.model, config.training.optimizer, EmaConfig(), spec)


def split(*lengths: int) -> Split:
    return Split(ragged([torch.zeros(length, dtype=torch.int32).numpy() for length in lengths]))


@pytest.mark.parametrize(
    ("batching", "tokens"),
    [
        (SequencesConfig(batch_size=2), 2 * 7),  # of 1 1 2 7 the last two
        (SequencesConfig(batch_size=10**12), 4 * 7),
        (TokensConfig(tokens=10**12), 4 * 7),
        (PackedConfig(tokens=10), 7),  # 1 1 2 and 7
        (StreamConfig(batch_size=2, sequence_length=3), 6),
        (StreamConfig(batch_size=10**12, sequence_length=10**12), 11),
    ],
)
def test_the_largest_batch(batching, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert batching.most_tokens(split(1, 7, 1, 2).text.lengths) == tokens
    monkeypatch.setattr(memory, "memory_limit", lambda: tokens * 5 * 8)
    limits.check_batches([split(1), split(1, 7, 1, 2)], batching, 5)
    monkeypatch.setattr(memory, "memory_limit", lambda: tokens * 5 * 8 - 1)
    with pytest.raises(UserError, match=r"Got a batch of \d+ tokens with batching\.kind=.*data\.max_length"):
        limits.check_batches([split(1), split(1, 7, 1, 2)], batching, 5)


def refused(words: str, *settings: str, recipe: list[str] = tiny.BRACKETS) -> None:
    config = tiny.configure(recipe, *settings)
    with pytest.raises(UserError, match=words):
        NetworkExperiment(config, config.dataset(), CPU)


def test_a_curriculum_longer_than_the_training() -> None:
    words = r"'training\.curriculum' must end before the training does\. Got 3; .* Nearest: 2"
    refused(words, "training.curriculum=3")
    config = tiny.configure(tiny.BRACKETS)
    built = NetworkExperiment(config, config.dataset(), CPU)
    steps = len(built.task.batches(built.dataset.splits["train"], config.batching, None))
    few = f"training.max_steps={steps}"
    refused(r"training\.max_steps=\d+\. Nearest: 2", "training.epochs=9", few, "training.curriculum=3")


@pytest.mark.parametrize("setting", ["samples.prompt_tokens=2", "task.metrics=accuracy"])
def test_settings_that_would_fail_or_do_nothing_at_the_end(setting: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.txt").write_text("a small text\n" * 30)
    words = r"'samples\.prompt_tokens' must be 0 .* Got 2|'task.metrics' must contain 'loss', .* Got accuracy"

    def build() -> None:
        config = recipes.network("text-lm", ["data.path=own.txt", setting])
        NetworkExperiment(config, config.dataset(), CPU)

    with pytest.raises(UserError, match=words):
        build()


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "import"])
@pytest.mark.parametrize("recipe", ["brackets-lstm", "marked-addition-lstm", "adding-lstm"])
def test_a_model_has_an_output_for_each_target_or_is_refused(recipe: str, kind: str) -> None:
    sizes = ["data.train=4", "data.valid=4", "data.test=4", "training.matmul=torch"]
    own = [f"model.path={own_models.__file__}:MaskClassifier"] if kind == "import" else []
    config = recipes.network(recipe, [*sizes, f"model.kind={kind}", *own])
    try:
        built = NetworkExperiment(config, config.dataset(), CPU)
    except UserError as error:
        # The second one is of a module, which is tried.
        refusals = ("must be a model with one output for each", "must return logits of shape")
        if not any(words in str(error) for words in refusals):
            raise
        return
    (batch,) = built.task.batches(built.dataset.splits["train"], config.batching, None)
    outputs, _ = built.model(batch)
    targets = batch.targets.tokens if isinstance(batch.targets, Padded) else batch.targets
    assert outputs.shape[:-1] == targets.shape


def test_windows_without_context() -> None:
    transformer = ["model.kind=transformer-lm", "model.heads=2", "model.hidden_size=4"]
    stream = ["batching.kind=stream", "batching.sequence_length=1"]
    refused(r"'batching\.sequence_length' must be at least 2 .* Got 1\. Nearest: 2", *transformer, *stream)
    config: ExperimentConfig = tiny.configure(tiny.BRACKETS, *stream)
    NetworkExperiment(config, config.dataset(), CPU)


def test_examples_of_later_epochs_must_have_known_tokens() -> None:
    """The few training examples lack letters that later epochs draw; validation and test happen not to."""
    sizes = ["data.train=8", "data.valid=1", "data.test=1", "data.pairs=1", "data.seed=35"]
    config = recipes.network("associative-recall-lstm", [*sizes, "data.resample_each_epoch=false"])
    NetworkExperiment(config, config.dataset(), CPU)
    config = recipes.network("associative-recall-lstm", [*sizes, "data.resample_each_epoch=true"])
    with pytest.raises(UserError, match=r"must be one of the vocabulary's"):
        NetworkExperiment(config, config.dataset(), CPU)
