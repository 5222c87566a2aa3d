"""What a network writes or answers while it trains."""

from __future__ import annotations

import numpy as np

from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.decoding import continue_prompts, decode_sources
from seqlab.evaluate.prediction import Predictor, named
from seqlab.experiment import seeding
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.modes import evaluating
from seqlab.schema.records import Text

SHOWN = 200
"""Characters of a text that its sample shows."""


def write_samples(experiment: NetworkExperiment, name: str, step: int) -> list[Text]:
    """What the model writes now; the draws depend on the seed, the name and the step alone.

    A classifier answers on the first texts of the validation split; a translator writes for their sources.
    """
    return WRITERS[experiment.task.output](experiment, name, step) if experiment.config.samples.count else []


def _continuations(experiment: NetworkExperiment, name: str, step: int) -> list[Text]:
    settings = experiment.config.samples
    return continue_prompts(
        experiment.model,
        experiment.dataset.tokenizer,
        [settings.prompt] * settings.count,
        name=name,
        length=settings.max_tokens,
        options=SamplingOptions(temperature=settings.temperature),
        random=seeding.generator(experiment.config.seed, name, step),
    )


def _answers(experiment: NetworkExperiment, name: str, step: int) -> list[Text]:
    dataset, split = experiment.dataset, experiment.dataset.splits["valid"]
    rows = np.arange(min(experiment.config.samples.count, len(split)))
    texts = split.text.select(rows)
    with evaluating(experiment.model):
        predictor = Predictor(experiment.model, len(dataset.tokenizer.vocabulary))
        answers = named(dataset.labels, predictor.outputs(texts))
    samples: list[Text] = []
    for index, (ids, probabilities) in enumerate(zip(texts, answers, strict=True)):
        answer = max(probabilities, key=probabilities.__getitem__)
        words = f"{answer} {probabilities[answer]:.3f} (labelled {dataset.target_text(split, index)})"
        prompt = _shown(dataset.tokenizer.decode(ids.tolist()))
        samples.append(Text(name=name, prompt=prompt, text=words, complete=True))
    return samples


def _translations(experiment: NetworkExperiment, name: str, step: int) -> list[Text]:
    dataset, split = experiment.dataset, experiment.dataset.splits["valid"]
    source_tokenizer = dataset.source_tokenizer
    assert split.source is not None, "checked when the task was built"
    assert source_tokenizer is not None, "it encoded the sources"
    settings = experiment.config.samples
    sources = split.source.select(np.arange(min(settings.count, len(split))))
    generations = decode_sources(experiment.model, dataset.tokenizer, sources, length=settings.max_tokens)
    return [
        Text(
            name=name,
            prompt=_shown(source_tokenizer.decode(ids.tolist())),
            text=dataset.tokenizer.decode(generation.tokens),
            complete=generation.complete,
        )
        for ids, generation in zip(sources, generations, strict=True)
    ]


def _shown(text: str) -> str:
    return text[:SHOWN] + " ..." if len(text) > SHOWN else text


WRITERS = {"text": _continuations, "class": _answers, "number": _answers, "translation": _translations}
"""By what a run of the task gives."""
