"""A run's model, ready to use: the best checkpoint with the run's own tokenizer; no data needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from seqlab.data.batch import Batch
from seqlab.data.dataset import Dataset
from seqlab.data.tokenizers import Tokenizer, tokenizer_from
from seqlab.decode.choice import Choice
from seqlab.decode.generate import generate
from seqlab.models.model import SequenceModel
from seqlab.runs.folder import RunFolder
from seqlab.schema.config import parse, read_toml
from seqlab.schema.errors import UserError
from seqlab.schema.records import Text
from seqlab.train import checkpoint, seeding
from seqlab.train.config import ExperimentConfig

CONFIG, DATA = "config.toml", "data.json"


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with what is needed to feed it text and to read its answers."""

    run: RunFolder
    config: ExperimentConfig
    model: SequenceModel
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    step: int

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Probability of each label, for each text.

        Raises:
            UserError: the model does not classify, or there is no text.
        """
        if not self.labels:
            raise UserError(f"{self.run.path} must hold a classifier. Nearest: `seqlab sample`.")
        return predict(self.model, self.tokenizer, self.labels, texts)

    def sample(self, prompt: str, *, count: int, length: int, choice: Choice, seed: int) -> list[Text]:
        """Texts that go on from a prompt, `length` tokens at most.

        Raises:
            UserError: the model does not generate.
        """
        if not self.model.capabilities.causal:
            raise UserError(f"{self.run.path} must hold a language model. Nearest: `seqlab predict`.")
        random = seeding.generator(seed, "sample")
        return sample(
            self.model, self.tokenizer, prompt, count=count, length=length, choice=choice, random=random
        )


def load_run(run: RunFolder) -> LoadedRun:
    """The best checkpoint of a run.

    Raises:
        UserError: the folder or checkpoint is damaged, or there is none yet.
    """
    config = read_config(run)
    data = run.read_json(DATA)
    tokenizer = tokenizer_from(data["tokenizer"])
    model = config.model.build(
        vocabulary=len(tokenizer.vocabulary), outputs=data["outputs"], generator=torch.Generator()
    )
    counters = checkpoint.load_model(run, checkpoint.best_checkpoint(run), model)
    step = counters["progress"]["step"]
    return LoadedRun(run, config, model.eval(), tokenizer, tuple(data["labels"]), step)


def read_config(run: RunFolder) -> ExperimentConfig:
    """The configuration a run was made with."""
    return parse(ExperimentConfig, read_toml(run.read(CONFIG), str(run.path / CONFIG)))


def describe_data(dataset: Dataset, outputs: int) -> dict[str, Any]:
    """What a run folder keeps of its data: enough to use the model without it."""
    return {
        "name": dataset.name,
        "content_hash": dataset.content_hash,
        "labels": list(dataset.labels),
        "outputs": outputs,
        "splits": {
            name: {"sequences": len(split), "tokens": int(split.offsets[-1])}
            for name, split in dataset.splits.items()
        },
        "description": dataset.about.description,
        "origin": dataset.about.origin,
        "licence": dataset.about.licence,
        "tokenizer": dataset.tokenizer.spec(),
    }


@torch.no_grad()
def predict(
    model: SequenceModel, tokenizer: Tokenizer, labels: Sequence[str], texts: Sequence[str]
) -> list[dict[str, float]]:
    """Probability of each label, for each text, one by one (a row never depends on the others)."""
    if not texts:
        raise UserError("There must be at least one text to predict. Got none.")
    device = next(model.parameters()).device
    answers: list[dict[str, float]] = []
    for text in texts:
        tokens = torch.tensor([tokenizer.encode(text) or [0]], device=device)
        length = torch.tensor([len(tokenizer.encode(text))], device=device)
        logits, _ = model(Batch(tokens, length, torch.zeros_like(length)))
        chances = logits.double().softmax(dim=-1)[0].tolist()
        answers.append(dict(zip(labels, chances, strict=True)))
    return answers


def sample(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    count: int,
    length: int,
    choice: Choice,
    random: torch.Generator,
) -> list[Text]:
    """Texts a language model writes behind a prompt, starting from the token training started from."""
    vocabulary = tokenizer.vocabulary
    assert vocabulary.start is not None, "checked when the task was built"
    prompts = [[vocabulary.start, *tokenizer.encode(prompt)]] * count
    banned = frozenset(vocabulary.special - {vocabulary.end})
    if vocabulary.end is None:
        # In running text the start token is text: it ends a line and may be written.
        banned -= {vocabulary.start}
    generations = generate(
        model,
        prompts,
        end=vocabulary.end,
        max_new_tokens=length,
        choice=choice,
        generator=random,
        banned=banned,
    )
    return [
        Text(name="sample", prompt=prompt, text=tokenizer.decode(g.tokens), complete=g.complete)
        for g in generations
    ]
