"""A run's model, ready to use: the best checkpoint with the run's own tokenizer; no data needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seqlab.data.batch import Batch
from seqlab.data.dataset import Dataset, Limit
from seqlab.data.tokenizers.tokenizer import Tokenizer, tokenizer_from
from seqlab.decode.generate import generate
from seqlab.decode.sampling import SamplingOptions
from seqlab.experiment import seeding
from seqlab.experiment.experiment_config import AnyExperimentConfig, parse_experiment
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import DataSummary
from seqlab.schema.errors import UserError
from seqlab.schema.records import Text

NUMBER = "number"
"""What an answer that is a number is called."""


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with what is needed to feed it text and to read its answers."""

    run: RunFolder
    config: AnyExperimentConfig
    model: SequenceModel
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    limit: Limit
    step: int

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Probability of each label, for each text; where labels are numbers, the one number under `NUMBER`.

        Raises:
            UserError: the model writes texts and labels none, or there is no text.
        """
        if self.model.capabilities.causal:
            raise UserError(f"{self.run.path} must hold a classifier. Nearest: `seqlab sample`.")
        if not texts:
            raise UserError("There must be at least one text to predict. Got none.")
        ids = [self.limit.cut(self.tokenizer.encode(text)) for text in texts]
        return [predict(self.model, self.labels, sequence) for sequence in ids]

    def sample(
        self, prompt: str, *, count: int, length: int, choice: SamplingOptions, seed: int
    ) -> list[Text]:
        """Texts that go on from a prompt, `length` tokens at most.

        Raises:
            UserError: the model does not generate.
        """
        if not self.model.capabilities.causal:
            raise UserError(f"{self.run.path} must hold a language model. Nearest: `seqlab predict`.")
        random = seeding.generator(seed, "sample")
        return sample(
            self.model,
            self.tokenizer,
            prompt,
            name="sample",
            count=count,
            length=length,
            choice=choice,
            random=random,
        )


def load_run(run: RunFolder) -> LoadedRun:
    """The best checkpoint of a run.

    Raises:
        UserError: the folder or checkpoint is damaged, or there is none yet.
    """
    config = read_config(run)
    data = run.data()
    tokenizer = tokenizer_from(data["tokenizer"])
    labels = tuple(data["labels"])
    model, step = config.way().load(run, tokenizer, data["outputs"], labels)
    return LoadedRun(
        run=run,
        config=config,
        model=model,
        tokenizer=tokenizer,
        labels=labels,
        limit=Limit(**data["limit"]),
        step=step,
    )


def read_config(run: RunFolder) -> AnyExperimentConfig:
    """The configuration a run was made with."""
    return parse_experiment(run.settings())


def describe_data(dataset: Dataset, outputs: int) -> DataSummary:
    """What a run folder keeps of its data: enough to use the model without it."""
    return {
        "name": dataset.name,
        "content_hash": dataset.content_hash,
        "labels": list(dataset.labels),
        "limit": dataclasses.asdict(dataset.limit),
        "outputs": outputs,
        "splits": {
            name: {"sequences": len(split), "tokens": int(split.offsets[-1])}
            for name, split in dataset.splits.items()
        },
        "description": dataset.about.description,
        "origin": dataset.about.origin,
        "licence": dataset.about.licence,
        "notes": list(dataset.notes),
        "tokenizer": dataset.tokenizer.spec(),
    }


@torch.no_grad()
def predict(model: SequenceModel, labels: Sequence[str], ids: Sequence[int]) -> dict[str, float]:
    """The answer for one sequence of token ids; the model is in evaluation mode.

    Returns:
        The probability of each label; without labels the number under `NUMBER`.
    """
    device = device_of(model)
    # A sequence without tokens is one padded place of length 0.
    tokens = torch.tensor([list(ids) or [0]], device=device)
    lengths = torch.tensor([len(ids)], device=device)
    outputs = model(Batch(tokens, lengths, torch.zeros_like(lengths)))[0].double()
    if not labels:
        return {NUMBER: outputs.item()}
    return dict(zip(labels, outputs.softmax(dim=-1)[0].tolist(), strict=True))


def sample(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    name: str,
    count: int,
    length: int,
    choice: SamplingOptions,
    random: torch.Generator,
) -> list[Text]:
    """Texts a language model writes behind a prompt, starting from the token training started from."""
    return samples_behind(
        model, tokenizer, [prompt] * count, name=name, length=length, choice=choice, random=random
    )


def samples_behind(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    name: str,
    length: int,
    choice: SamplingOptions,
    random: torch.Generator,
) -> list[Text]:
    """The same, one behind each prompt."""
    vocabulary = tokenizer.vocabulary
    assert vocabulary.start is not None, "checked when the task was built"
    encoded = {prompt: [vocabulary.start, *tokenizer.encode(prompt)] for prompt in set(prompts)}
    generations = generate(
        model,
        [encoded[prompt] for prompt in prompts],
        end=vocabulary.end,
        max_new_tokens=length,
        choice=choice,
        generator=random,
        banned=vocabulary.special - {vocabulary.end},
    )
    return [
        Text(name=name, prompt=prompt, text=tokenizer.decode(g.tokens), complete=g.complete)
        for prompt, g in zip(prompts, generations, strict=True)
    ]
