"""How a language model of a generated dataset stands to the truth: loss to floor, samples to rules."""

from __future__ import annotations

import json
from collections.abc import Sequence

from seqlab.data import truth
from seqlab.data.generated import GeneratedConfig
from seqlab.decode.choice import Choice
from seqlab.runs import atomic
from seqlab.runs.folder import RunFolder
from seqlab.schema.records import Text
from seqlab.train import seeding
from seqlab.train.experiment import Experiment
from seqlab.train.loaded import sample

CARD = "truth"
DRAWN = 200
"""Samples that are held against the rules of the language."""


def write_truth(run: RunFolder, experiment: Experiment, *, loss: float, step: int) -> None:
    """Hold a language model against the truth of its data, where that is known: `cards/truth.json`.

    The truth speaks of characters; of other tokens nothing is written.
    Samples may be as long as the longest training sequence. Those that did not end by then are counted
    apart: they are neither right nor wrong.

    Args:
        run: where the card goes.
        experiment: with the weights that are judged.
        loss: of these weights on the validation split, in nats per token.
        step: the optimiser step they stand behind.
    """
    config = experiment.config.data
    if not isinstance(config, GeneratedConfig) or config.tokenizer.kind != "characters":
        return
    if not experiment.model.capabilities.causal:
        return
    dataset = experiment.dataset
    longest = int(dataset.splits["train"].lengths.max())
    texts = sample(
        experiment.model,
        dataset.tokenizer,
        "",
        name="sample",
        count=DRAWN,
        length=longest,
        choice=Choice(),
        random=seeding.generator(experiment.config.seed, "truth"),
    )
    floor = truth.floor(config, dataset, "valid")
    shares, examples = judge(config, texts)
    card = {
        "metrics": {"floor": floor, "above_floor": loss - floor, **shares},
        "split": "valid",
        "scored_as": f"truth on the same tokens; {DRAWN} samples of at most {longest} tokens",
        "checkpoint_step": step,
        **examples,
    }
    atomic.write_text(run.cards / f"{CARD}.json", json.dumps(card, indent=1))


def judge(config: GeneratedConfig, texts: Sequence[Text]) -> tuple[dict[str, float], dict[str, str | None]]:
    """Shares of valid, cut and wrong samples; the longest valid and the first wrong one, None without one.

    >>> from seqlab.data.brackets import BracketsConfig
    >>> texts = [Text(name="sample", prompt="", text=t, complete=c) for t, c in (("()", True), ("((", False))]
    >>> judge(BracketsConfig(), texts)[0]
    {'valid_samples': 0.5, 'cut_samples': 0.5, 'wrong_samples': 0.0}
    """
    ended = [text.text for text in texts if text.complete]
    valid = [text for text in ended if config.is_member(text)]
    wrong = [text for text in ended if not config.is_member(text)]
    shares = {
        "valid_samples": len(valid) / len(texts),
        "cut_samples": (len(texts) - len(ended)) / len(texts),
        "wrong_samples": len(wrong) / len(texts),
    }
    return shares, {
        "longest_valid": max(valid, key=len, default=None),
        "first_wrong": next(iter(wrong), None),
    }
