"""Texts of a language model at the end of its run: how likely, how varied, and how much of them is copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch.nn import functional

from seqlab.data.batch import unlabelled
from seqlab.data.dataset import Dataset, Split
from seqlab.data.ragged import Ragged, ragged
from seqlab.data.sequences import Padded
from seqlab.data.tokenizers.vocabulary import Vocabulary
from seqlab.decode.generate import Generation
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.decoding import continuation, write_after
from seqlab.experiment import seeding
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.measure.generation import COPIED, DISTINCT, copied, distinct, excerpts, repetition
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of, evaluating
from seqlab.runs.cards import GeneratedText, GenerationCard, VarietyMeasures

TEXTS, MARKED = 10, 3
"""Texts of each length, and how many of all are marked as the best and as the worst."""
VALIDATION_TOKENS = 100_000
"""Tokens of validation text, about, whose n-grams are looked up in the training text."""


def generation_card(experiment: NetworkExperiment, step: int) -> GenerationCard | None:
    """Write texts with the weights of an optimizer step, which leaves all else as it is, and measure them.

    `TEXTS` texts are as long as those of training, and as many twice as long: of a running text windows, of
    separate texts their mean, at most. The draws depend on the seed alone. None where the experiment writes
    no samples, or is not of a language model.
    """
    config, dataset, settings = experiment.config, experiment.dataset, experiment.config.samples
    if config.task.output != "text" or not settings.count:
        return None
    prompt = dataset.tokenizer.encode(settings.prompt)
    random = seeding.generator(config.seed, "generated texts")
    options = SamplingOptions(temperature=settings.temperature)
    length = config.batching.typical_length(dataset.splits["train"].text.lengths)
    texts: list[GeneratedText] = []
    measures: list[VarietyMeasures] = []
    for most in (length, 2 * length):
        written = write_after(
            experiment.model,
            dataset.tokenizer,
            [prompt] * TEXTS,
            length=most,
            options=options,
            random=random,
        )
        texts += [_text(experiment, prompt, each, most) for each in written]
        measures += _measures(dataset, written, most)
    return {
        "prompt": settings.prompt,
        "temperature": settings.temperature,
        "seed": config.seed,
        "texts": _marked(texts),
        "measures": measures,
        "checkpoint_step": step,
    }


def own_loss(
    model: SequenceModel, vocabulary: Vocabulary, prompt: Sequence[int], written: Generation
) -> float:
    """Mean of -ln p over the tokens that a model wrote, and the end if it wrote one, in nats per token."""
    assert vocabulary.start is not None, "checked when the task was built"
    ended = [] if vocabulary.end is None or not written.complete else [vocabulary.end]
    targets = [*written.tokens, *ended]
    inputs = torch.tensor([[vocabulary.start, *prompt, *targets][:-1]])
    with evaluating(model):
        batch = unlabelled(Padded(inputs, torch.tensor([inputs.shape[1]]))).to(device_of(model))
        features, _ = model.features(batch, None)
        logits = model.head(features[0, len(prompt) :]).double()
        return functional.cross_entropy(logits, torch.tensor(targets).to(logits.device)).item()


def _text(
    experiment: NetworkExperiment, encoded: Sequence[int], written: Generation, length: int
) -> GeneratedText:
    tokenizer, prompt = experiment.dataset.tokenizer, experiment.config.samples.prompt
    return {
        "length": length,
        "text": continuation(tokenizer, prompt, encoded, written.tokens),
        "complete": written.complete,
        "tokens": len(written.tokens),
        "loss": own_loss(experiment.model, tokenizer.vocabulary, encoded, written),
        "mark": "",
    }


def _marked(texts: Sequence[GeneratedText]) -> list[GeneratedText]:
    """The texts, those with the lowest and with the highest loss marked."""
    ranked = sorted(range(len(texts)), key=lambda index: texts[index]["loss"])
    marks: dict[int, Literal["best", "worst"]] = dict.fromkeys(ranked[:MARKED], "best")
    marks |= dict.fromkeys(ranked[-MARKED:], "worst")
    return [{**text, "mark": marks.get(index, "")} for index, text in enumerate(texts)]


def _measures(dataset: Dataset, written: Sequence[Generation], length: int) -> list[VarietyMeasures]:
    """Of generated texts, and of validation texts of the same number and length."""
    training = dataset.splits["train"].text
    own = ragged([text.tokens for text in written])
    found = [_variety("model", own, own, training, length)]
    if "valid" in dataset.splits:
        valid = dataset.splits["valid"]
        several = excerpts(valid.text, TEXTS, length, running=valid.running)
        found.append(_variety("validation", several, _validation(valid, length), training, length))
    return found


def _validation(valid: Split, length: int) -> Ragged:
    """Validation texts cut to a length, `VALIDATION_TOKENS` together: shares of n-grams need many."""
    return excerpts(valid.text, VALIDATION_TOKENS // length + 1, length, running=valid.running)


def _variety(
    source: Literal["model", "validation"], texts: Ragged, looked_up: Ragged, training: Ragged, length: int
) -> VarietyMeasures:
    return {
        "source": source,
        "length": length,
        "texts": len(texts),
        "tokens": len(texts.tokens),
        "distinct": {str(size): distinct(texts, size) for size in DISTINCT},
        "repetition": repetition(texts),
        "copied": {str(size): share for size, share in copied(looked_up, training, COPIED).items()},
    }
