"""What a run has learned, ready to use: best checkpoints with their own tokenizers; no data needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from seqlab.data.dataset import Dataset, Limit
from seqlab.data.encode import cut
from seqlab.data.ragged import Ragged, ragged
from seqlab.data.tokenizers.tokenizer import Tokenizer, tokenizer_from
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.decoding import continue_tokens
from seqlab.evaluate.fitted import loader
from seqlab.evaluate.prediction import Floats, Predictor
from seqlab.evaluate.text_predictor import TextAnswers, TextPredictor, TokenModel, without_known_tokens
from seqlab.evaluate.weights import reading
from seqlab.evaluate.word_groups import ReadText, WordGroup, read_text
from seqlab.experiment import seeding
from seqlab.experiment.experiment_config import AnyExperimentConfig, parse_experiment
from seqlab.experiment.limits import check_texts
from seqlab.experiment.numerics import numerics
from seqlab.experiment.trusted_code import require_trust
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of
from seqlab.runs.ensemble_record import open_member
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import DataSummary
from seqlab.schema.code_settings import code_values
from seqlab.schema.errors import DamagedFileError, UserError, require_utf8
from seqlab.schema.own_code import in_folder
from seqlab.schema.records import Text


@dataclass(frozen=True)
class LoadedRun(TextPredictor):
    """A trained model with what is needed to feed it text and to read its answers."""

    run: RunFolder
    config: AnyExperimentConfig
    model: SequenceModel
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    limit: Limit
    step: int
    left_out: ClassVar[str] = "A word is left out with all of its tokens."

    @override
    def answers(self, texts: Sequence[str]) -> TextAnswers:
        encoded = self.encode(texts)
        unknown = without_known_tokens(encoded, self.tokenizer.vocabulary.unknown)
        return TextAnswers(self.outputs(encoded), unknown)

    @override
    def read(self, text: str) -> ReadText:
        return read_text(text, self.tokenizer, self.limit)

    @override
    def without(self, read: ReadText, words: Sequence[WordGroup]) -> Floats:
        return self.outputs(ragged([np.delete(read.tokens, word.tokens) for word in words]))

    @override
    def one_model(self) -> TokenModel:
        return TokenModel(self.model, self.tokenizer, self.limit.max_length)

    def encode(self, texts: Sequence[str]) -> Ragged:
        """The tokens of texts, cut as those of the run's data were.

        Raises:
            UserError: a text is not UTF-8.
        """
        for index, text in enumerate(texts):
            require_utf8(text, f"The text at index {index}")
        encoded = self.tokenizer.encode_batch(texts)
        if self.limit.max_length is not None:
            encoded = cut(encoded, self.limit.max_length, self.limit.keep)
        return Ragged(encoded.tokens, encoded.offsets)

    def outputs(self, texts: Ragged) -> Float[np.ndarray, "N V"]:
        """The logits of the labels, or the number, for each text."""
        with numerics(device_of(self.model).type, None):
            return self._predictor.outputs(texts)

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self.model, len(self.tokenizer.vocabulary))

    def sample(
        self,
        prompt: str,
        *,
        count: int,
        length: int,
        options: SamplingOptions,
        seed: int,
        random_token: bool = False,
    ) -> list[Text]:
        """Texts that continue a prompt, `length` tokens at most.

        With `random_token` the prompt is empty, and each text continues a token of its own, all tokens but
        special ones being equally likely.

        Raises:
            UserError: the model does not generate, the prompt is not UTF-8 or has a random token after it, or
                there is no memory for so many tokens.
        """
        if self.config.task.output != "text":
            raise UserError(f"{self.run.path} must hold a language model. Use `seqlab predict`.")
        if random_token and prompt:
            raise UserError(
                f"'prompt' must be left out where texts begin with a random token. Got {prompt!r}."
            )
        require_utf8(prompt, "A prompt")
        check_texts(count, length, f"'count' {count} and 'length' {length}")
        prompts = (
            self._random_tokens(count, seed) if random_token else [self.tokenizer.encode(prompt)] * count
        )
        with numerics(device_of(self.model).type, None):
            return continue_tokens(
                self.model,
                self.tokenizer,
                [(self.tokenizer.decode(tokens) if random_token else prompt, tokens) for tokens in prompts],
                name="sample",
                length=length,
                options=options,
                random=seeding.generator(seed, "sample"),
            )

    def _random_tokens(self, count: int, seed: int) -> list[list[int]]:
        vocabulary = self.tokenizer.vocabulary
        known = sorted(set(range(len(vocabulary))) - vocabulary.special - {vocabulary.unknown})
        random = np.random.default_rng(seeding.derive(seed, "random tokens"))
        return [[known[index]] for index in random.integers(len(known), size=count).tolist()]


def load_run(run: RunFolder, *, trust: bool = False) -> LoadedRun:
    """The best checkpoint of a run.

    Args:
        run: the run.
        trust: whether code of the run folder may be executed that is not trusted on this machine.

    Raises:
        UserError: the folder or checkpoint is damaged, there is none yet, its code is not trusted, or it is
            an ensemble, which has several models.
    """
    config = read_trusted(run, trust=trust)
    data = run.data()
    with reading(run.path):
        tokenizer = tokenizer_from(data["tokenizer"], config.data.tokenizer)
        labels = tuple(data["labels"])
        spec = InputSpec.from_sizes(data["spec"], tokenizer.vocabulary.numbers)
        _check_sizes(run, data, tokenizer)
    model, step = loader(config).model(run, spec, tokenizer, labels)
    return LoadedRun(
        run=run,
        config=config,
        model=model,
        tokenizer=tokenizer,
        labels=labels,
        limit=Limit(**data["limit"]),
        step=step,
    )


def _check_sizes(run: RunFolder, data: DataSummary, tokenizer: Tokenizer) -> None:
    """Make sure that what a run keeps of its data does not contradict itself."""
    sizes, limit, labels = data["spec"], data["limit"], data["labels"]
    tokens = len(tokenizer.vocabulary)
    outputs = [len(labels)] if labels else [tokens, 1]
    rules = {
        f"its vocabulary must be the tokenizer's, {tokens}": sizes["vocabulary"] == tokens,
        f"its inputs must be cut to the limit, {limit}": sizes["max_length"] == limit["max_length"],
        f"its outputs must be {' or '.join(map(str, outputs))}": sizes["outputs"] in outputs,
        "its labels must differ from each other": len(set(labels)) == len(labels),
    }
    for rule, holds in rules.items():
        if not holds:
            raise DamagedFileError(
                f"What {run.path} keeps of its data is damaged: {rule}. Got {sizes}, {len(labels)} labels. "
                "Restore it from a copy, or delete the folder and train again."
            )


def read_config(run: RunFolder) -> AnyExperimentConfig:
    """The configuration a run was made with; code is that of the run folder.

    Raises:
        UserError: the files that decide the run's results are damaged, or not those it began with.
    """
    run.check()
    return parse_experiment(in_folder(run.settings(), run.path))


def read_trusted(run: RunFolder, *, trust: bool) -> AnyExperimentConfig:
    """The same, of which the code may be executed, and that of every run that it combines.

    Raises:
        UserError: files are damaged, the code is not trusted, or a combined run is missing.
    """
    config = read_config(run)
    require_trust(run, code_values(config), trust=trust)
    for member in config.members:
        read_trusted(open_member(member, run.path.parent), trust=trust)
    return config


def read_dataset(run: RunFolder, config: AnyExperimentConfig) -> Dataset:
    """The data of a run, which must be what the run began with.

    Raises:
        UserError: it cannot be read, or has other content now.
    """
    then, now = run.data(), config.data.content_hash()
    if then["content_hash"] != now:
        raise UserError(
            f"{run.path} must be used with the data it began with: {then['origin']}, "
            f"SHA-256 {then['content_hash'][:12]}. Got other content: {config.data.about().origin}, "
            f"SHA-256 {now[:12]}. Restore the data, or train again."
        )
    return config.dataset()


def describe_data(dataset: Dataset, spec: InputSpec) -> DataSummary:
    """What a run folder keeps of its data: enough to use the model without it."""
    return {
        "name": dataset.name,
        "content_hash": dataset.content_hash,
        "labels": list(dataset.labels),
        "limit": {"max_length": dataset.limit.max_length, "keep": dataset.limit.keep},
        "spec": spec.sizes(),
        "splits": {
            name: {"sequences": len(split), "tokens": int(split.text.offsets[-1])}
            for name, split in dataset.splits.items()
        },
        "description": dataset.about.description,
        "origin": dataset.about.origin,
        "licence": dataset.about.licence,
        "notes": list(dataset.notes),
        "tokenizer": dataset.tokenizer.spec(),
    }
