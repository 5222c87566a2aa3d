"""How a language model of a generated dataset stands to the truth: loss to floor, samples to rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from seqlab.data import truth
from seqlab.data.generated import GeneratedConfig
from seqlab.decode.choice import Choice
from seqlab.runs import atomic
from seqlab.runs.folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Text
from seqlab.train.loaded import load_run, read_config

CARD = "truth"
_SEED = 1


def truth_card(run: RunFolder, count: int) -> dict[str, Any]:
    """Compare a finished run with the truth and write `cards/truth.json`; once written, it is read.

    Samples may be as long as the longest training sequence. Those that did not end by then are counted
    apart: they are neither right nor wrong.

    Args:
        run: a finished run of a language model.
        count: samples to draw.

    Returns:
        The card. Its metrics: `floor` and `above_floor` in nats per token on the validation split, the
        shares `valid_samples`, `cut_samples` and `wrong_samples`.

    Raises:
        UserError: the run's data is not generated, or the run is not finished.
    """
    path = run.cards / f"{CARD}.json"
    if path.exists():
        return run.read_json(f"cards/{CARD}.json", "metrics", "longest_valid", "first_wrong")
    card = _measure(run, count)
    atomic.write_text(path, json.dumps(card, indent=1))
    return card


def _measure(run: RunFolder, count: int) -> dict[str, Any]:
    config = read_config(run).data
    if not isinstance(config, GeneratedConfig):
        raise UserError(f"{run.path} must be of generated data, whose truth is known. Got {config.kind!r}.")
    dataset, loaded = config.build(), load_run(run)
    longest = int(dataset.splits["train"].lengths.max())
    floor = truth.floor(config, dataset, "valid")
    texts = loaded.sample("", count=count, length=longest, choice=Choice(), seed=_SEED)
    shares, examples = judge(config, texts)
    return {
        "metrics": {"floor": floor, "above_floor": run.summary()["metrics"]["loss"] - floor, **shares},
        "split": "valid",
        "scored_as": f"truth on the same tokens; {count} samples of at most {longest} tokens, seed {_SEED}",
        "checkpoint_step": loaded.step,
        **examples,
    }


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
