"""What a network writes: after prompts, and for the sources of a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.data.sequences import Padded, padded
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.decode.generate import Generation, Limits, generate
from seqlab.decode.sampling import SamplingOptions
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.model import SequenceModel
from seqlab.schema.records import Text

GREEDY = SamplingOptions(temperature=0)
ROWS = 64
"""Sources that are decoded together."""


def continue_prompts(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    name: str,
    length: int,
    options: SamplingOptions,
    random: torch.Generator,
) -> list[Text]:
    """One text after each prompt, starting from the token that training started from.

    Prompt and text together are a whole text: of words, the text begins with the space between.
    """
    encoded = {prompt: tokenizer.encode(prompt) for prompt in set(prompts)}
    return continue_tokens(
        model,
        tokenizer,
        [(prompt, encoded[prompt]) for prompt in prompts],
        name=name,
        length=length,
        options=options,
        random=random,
    )


def continue_tokens(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompts: Sequence[tuple[str, Sequence[int]]],
    *,
    name: str,
    length: int,
    options: SamplingOptions,
    random: torch.Generator,
) -> list[Text]:
    """The same after prompts of which the text and the ids of its tokens are given."""
    ids = [tokens for _, tokens in prompts]
    generations = write_after(model, tokenizer, ids, length=length, options=options, random=random)
    return [
        Text(
            name=name,
            prompt=prompt,
            text=continuation(tokenizer, prompt, tokens, g.tokens),
            complete=g.complete,
        )
        for (prompt, tokens), g in zip(prompts, generations, strict=True)
    ]


def continuation(tokenizer: Tokenizer, prompt: str, before: Sequence[int], tokens: Sequence[int]) -> str:
    """What follows a prompt, with what the tokenizer writes between its last token and the first new one."""
    read, whole = tokenizer.decode(before), tokenizer.decode([*before, *tokens])
    if not whole.startswith(read):
        return tokenizer.decode(tokens)
    text = whole[len(read) :]
    # The user wrote the space already, which the tokenizer does not read.
    return text.removeprefix(" ") if prompt.endswith(" ") and not read.endswith(" ") else text


def decode_sources(
    model: SequenceModel, tokenizer: Tokenizer, sources: Ragged, *, length: int
) -> list[Generation]:
    """The greedy text for each source, of at most `length` tokens."""
    generations: list[Generation] = []
    for begin in range(0, len(sources), ROWS):
        rows = np.arange(begin, min(begin + ROWS, len(sources)))
        generations += write_after(
            model,
            tokenizer,
            [[]] * len(rows),
            length=length,
            options=GREEDY,
            random=torch.Generator(),
            source=padded(sources, rows),
        )
    return generations


def decode_split(experiment: NetworkExperiment, split: Split) -> tuple[list[str], list[str]]:
    """What the model writes for the source of each text of a split, and the text itself."""
    assert split.source is not None, "a metric of texts is of tasks with a source"
    tokenizer = experiment.dataset.tokenizer
    length = experiment.config.samples.max_tokens
    generations = decode_sources(experiment.model, tokenizer, split.source, length=length)
    references = [tokenizer.decode(ids.tolist()) for ids in split.text]
    return [tokenizer.decode(generation.tokens) for generation in generations], references


def write_after(
    model: SequenceModel,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    *,
    length: int,
    options: SamplingOptions,
    random: torch.Generator,
    source: Padded | None = None,
) -> list[Generation]:
    """What the model writes after the start token and each prompt, () for none; see `generate`."""
    vocabulary = tokenizer.vocabulary
    assert vocabulary.start is not None, "checked when the task was built"
    start = vocabulary.start
    banned = vocabulary.special - {vocabulary.end}
    return generate(
        model,
        [[start, *prompt] for prompt in prompts],
        limits=Limits(end=vocabulary.end, max_new_tokens=length, banned=banned),
        options=options,
        generator=random,
        source=source,
    )
