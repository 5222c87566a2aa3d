"""A network with its data, its optimizer and its generators, ready to be trained or scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import override

from seqlab.data.batches import Batches
from seqlab.data.curriculum import short_first
from seqlab.data.dataset import Dataset, Split
from seqlab.data.token_oracle import TokenOracle
from seqlab.experiment import limits, seeding
from seqlab.experiment.experiment import Experiment
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.layer_training import LayerTraining
from seqlab.experiment.matmul_choice import choose, chosen
from seqlab.experiment.row_wise import RowWiseSgd
from seqlab.experiment.training_config import TrainingConfig
from seqlab.measure import gradients
from seqlab.measure.suitable import check_metrics
from seqlab.models.layer_counts import LayerCount, layer_counts
from seqlab.models.model import SequenceModel
from seqlab.nn.dropout import bind_generator
from seqlab.nn.embedding import Embedding
from seqlab.nn.linear_map import bind_matmul
from seqlab.nn.matmul import Matmul
from seqlab.schema.errors import UserError
from seqlab.schema.settings import format_setting

WINDOW = 256
"""Tokens a carried state is unrolled over in evaluation; the cutting changes nothing but memory."""
DRAWN_AHEAD = 10_000
"""Examples of further epochs that are drawn before training, to find out whether they can be learned from."""
MANY_ROWS = 2_000
"""Rows of an embedding table from which it pays to move only those that a batch used."""


class NetworkExperiment(Experiment):
    """The live parts of a network's experiment; see `Experiment`.

    optimizer: moves every parameter but those of `rows`. rows: moves a large embedding table in place of the
    optimizer; None where the optimizer moves all. layers: steps both, with the rate of each layer.
    generators: sources of randomness in training, by purpose.
    """

    config: ExperimentConfig

    def __init__(
        self, config: ExperimentConfig, dataset: Dataset, device: torch.device, matmul: str | None = "torch"
    ):
        """Build task, model and optimizer on a dataset, every weight drawn from the seed.

        Args:
            config: everything that decides the numbers.
            dataset: what is learned from.
            device: where the model lives.
            matmul: name of the matmul backend; None chooses by `training.matmul`.

        Raises:
            UserError: the parts do not fit each other.
        """
        self.config, self.dataset = config, dataset
        self.task = config.task.build(dataset, config.training.loss_options)
        self.oracle = config.data.oracle(dataset.tokenizer)
        check_metrics(self.task.metrics, self.task, self.spec.outputs, dataset.splits)
        _check_prompt(config, dataset, self.oracle)
        _check_settings(config, dataset, self.oracle)
        training = config.training
        limits.check_model(config.model, training.optimizer, training.averaging, self.spec)
        self.model = self._model(device)
        _check_outputs(config, self.model)
        _check_batches(self)
        _check_diagnostics(config, self.model)
        self.task.matmul = _matmul(config, device, matmul)
        bind_matmul(self.model, self.task.matmul)
        dropout = seeding.generator(config.seed, "dropout", device=device)
        bind_generator(self.model, dropout)
        self.generators = {"dropout": dropout}
        self.rows, notes = _row_wise(config, self.model)
        moved = [p for p in self.model.parameters() if self.rows is None or p is not self.rows.weight]
        self.optimizer = config.training.optimizer.build(moved)
        self.layers = LayerTraining(
            self.model.layer_groups(),
            self.optimizer,
            self.rows,
            decay=config.training.layer_decay,
            unfreeze_every=config.training.unfreeze_every,
        )
        self.notes = (*self.model.notes, *notes, *self.layers.notes)

    @property
    @override
    def matmul(self) -> str:
        return self.task.matmul.name

    @property
    @override
    def weights(self) -> Mapping[str, Tensor]:
        return self.model.state_dict()

    @override
    def count(self) -> list[LayerCount]:
        return layer_counts(self.model)

    def scoring_batches(self, split: Split, streams: int) -> Batches:
        """One pass over a split: whole sequences, carried streams, or overlapping windows."""
        carried = self.model.capabilities.carries_state
        batching = self.config.batching.for_scoring(streams, WINDOW, carried=carried)
        return self.task.batches(split, batching, None)

    def position_batches(self, split: Split) -> Batches:
        """One pass over a split for the loss at each position: whole sequences, or windows of one length."""
        return self.task.batches(split, self.config.batching.for_positions(), None)

    def examples(self, epoch: int) -> Split:
        """The training examples of an epoch, counted from 0: those of `train`, or its own."""
        seed = seeding.derive(self.config.seed, "examples", epoch)
        return self.config.data.training_split(self.dataset, seed)

    def training_split(self, epoch: int) -> Split:
        """What an epoch learns from: its examples, or the short ones of them."""
        return short_first(self.examples(epoch), epoch, self.config.training.curriculum)

    def _model(self, device: torch.device) -> SequenceModel:
        generator = seeding.generator(self.config.seed, "weights")
        return self.config.model.build(self.spec, generator).to(device)


def network_experiment(
    config: ExperimentConfig,
    dataset: Dataset,
    device: torch.device,
    matmul: str | None,
    folder: Path | None,
) -> NetworkExperiment:
    """See `seqlab.experiment.experiment.build`; a network combines no runs."""
    return NetworkExperiment(config, dataset, device, matmul)


def _matmul(config: ExperimentConfig, device: torch.device, name: str | None) -> Matmul:
    if name is not None:
        return chosen(name)
    return choose(config.training.matmul, device=device.type, threads=torch.get_num_threads())


def _check_outputs(config: ExperimentConfig, model: SequenceModel) -> None:
    """Check that the model has one output for each target of the task."""
    needed, found = config.task.output in ("text", "translation"), model.capabilities.causal
    if needed != found:
        outputs = {True: "one output for each token", False: "one output for each text"}
        raise UserError(
            f"'model.kind' must be a model with {outputs[needed]} for the task {config.task.kind!r}. "
            f"Got {config.model.kind!r} with {outputs[found]}. `seqlab list models` shows others."
        )


def _check_settings(config: ExperimentConfig, dataset: Dataset, oracle: TokenOracle | None) -> None:
    """Check that settings are not used for data that they are not for."""
    if config.training.curriculum and config.batching.running:
        raise UserError(
            "'training.curriculum' must be 0 for running text, which has no short sequences. "
            f"Got {config.training.curriculum}."
        )
    if config.evaluation.train_sequences and config.batching.running:
        raise UserError(
            "'evaluation.train_sequences' must be 0 for running text, which is one sequence. "
            f"Got {config.evaluation.train_sequences}."
        )
    if config.samples.prompt_tokens and oracle is None:
        raise UserError(
            "'samples.prompt_tokens' must be 0 where the true distribution is not known. "
            f"Got {config.samples.prompt_tokens} for {dataset.name!r}. Nearest: 'samples.prompt'."
        )
    averaging = config.training.averaging
    if averaging.needs_validation and "valid" not in dataset.splits:
        raise UserError(
            "'training.averaging.kind' must be one that starts without a validation, as there is no split "
            f"'valid'. Got {averaging.kind!r}. Nearest: 'ema'."
        )
    config.data.check_training(dataset)


def _check_batches(experiment: NetworkExperiment) -> None:
    """Cut every split once, for training and for scoring, so that what does not fit is refused now."""
    config, dataset, task = experiment.config, experiment.dataset, experiment.task
    splits = [dataset.splits["train"], *dataset.splits.values(), *_drawn_epochs(experiment)]
    for split in splits:
        task.batches(split, config.batching, seed=None)
    if config.training.curriculum:
        _check_curriculum(config.training, len(task.batches(splits[0], config.batching, seed=None)))
    for split in dataset.splits.values():
        experiment.scoring_batches(split, config.evaluation.streams)
    features = getattr(experiment.model.head, "in_features", 1)
    limits.check_batches(splits, config.batching, features)


def _check_curriculum(training: TrainingConfig, steps: int) -> None:
    """Check that training continues after the curriculum, whose epochs have about half of the steps."""
    longest = training.epochs
    if training.max_steps is not None:
        longest = min(longest, 2 * training.max_steps // steps)
    if training.curriculum > longest:
        raise UserError(
            f"'training.curriculum' must end before the training does. Got {training.curriculum}; its epochs "
            f"have about half of {steps:,} steps each, and training.epochs={training.epochs} "
            f"training.max_steps={format_setting(training.max_steps)}. Nearest: {longest}."
        )


def _drawn_epochs(experiment: NetworkExperiment) -> Iterator[Split]:
    """The examples of the first epochs, where each has its own: they must be like those of `train`."""
    train = experiment.dataset.splits["train"]
    for epoch in range(min(experiment.config.training.epochs, 1 + DRAWN_AHEAD // len(train))):
        split = experiment.examples(epoch)
        if split is train:
            return
        yield split


def _check_diagnostics(config: ExperimentConfig, model: SequenceModel) -> None:
    if config.diagnostics.gradient_every:
        try:
            gradients.check_layers(model)
        except UserError as error:
            raise UserError(f"'diagnostics.gradient_every' must be 0: {error}") from None


def _row_wise(config: ExperimentConfig, model: SequenceModel) -> tuple[RowWiseSgd | None, tuple[str, ...]]:
    """What moves the rows of a large embedding table, or a note on why all of it is moved in every step."""
    tables = [module for module in model.modules() if isinstance(module, Embedding)]
    large = [table for table in tables if table.num_embeddings >= MANY_ROWS]
    if not large:
        return None, ()
    table = large[0]
    users = [p for module in model.modules() for p in module.parameters(recurse=False) if p is table.weight]
    tied = len(users) > 1
    if table.weight.device.type != "cpu":
        return None, ()
    if tied:
        found = "it is tied to the output layer"
    elif config.training.averaging.copies:
        found = "all weights are averaged"
    else:
        found = config.training.optimizer.row_wise(table)
    if isinstance(found, str):
        return None, (f"All {table.num_embeddings:,} rows of the embedding move in every step: {found}.",)
    return found, ()


def _check_prompt(config: ExperimentConfig, dataset: Dataset, oracle: TokenOracle | None) -> None:
    """Check that samples continue what the prompt says, never unknown tokens in its place.

    Where the true distribution is known, the prompt must be the beginning of a text.
    """
    prompt = config.samples.prompt
    if oracle is not None:
        try:
            oracle.language.next_token(prompt)
        except UserError as error:
            raise UserError(f"'samples.prompt': {error}") from None
    if prompt and dataset.tokenizer.vocabulary.unknown in dataset.tokenizer.encode(prompt):
        raise UserError(f"'samples.prompt' must be made of tokens of {dataset.name!r}. Got {prompt!r}.")
