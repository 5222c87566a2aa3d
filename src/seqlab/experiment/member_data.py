"""What the members of an ensemble answer, and of which texts: it must be the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from seqlab.data.dataset import Dataset
from seqlab.experiment.experiment_config import AnyExperimentConfig, parse_experiment
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.tasks.task_configs import TaskConfig

COMBINED = {"class": "probabilities", "number": "numbers", "text": "probabilities"}
"""Of what an ensemble takes the mean, by what a task predicts."""


@dataclass(frozen=True)
class MemberData:
    """The name of a member, and what it must share with every other one, in words by what that is.

    What is not known of a member, such as the texts of a split on which it was never scored, is left out.
    running: whether its texts are parts of a running one; None where that is not known.
    """

    name: str
    shared: Mapping[str, str]
    running: bool | None = None


def check_combines(task: TaskConfig, members: Sequence[MemberData] = ()) -> None:
    """Check that there is a mean of what runs of a task predict.

    Raises:
        UserError: there is not.
    """
    found = f"runs of the task {task.kind!r}" if task.output not in COMBINED else None
    if task.output == "text" and any(member.running is False for member in members):
        found = "language models of separate texts"
    if found is not None:
        raise UserError(
            "The members of an ensemble must label texts, predict a number for each, or model running text. "
            f"Got {found}."
        )


def check_alike(members: Sequence[MemberData]) -> None:
    """Check that all of them answer the same texts with the same labels or tokens.

    Raises:
        UserError: two do not; the message names them, and what differs first.
    """
    for one, other in combinations(members, 2):
        for what, value in one.shared.items():
            found = other.shared.get(what, value)
            if found != value:
                raise UserError(
                    "The members of an ensemble must answer the same texts with the same labels or tokens. "
                    f"{one.name} and {other.name} differ in {what}: {value}, and {found}."
                )


def data_of_run(run: RunFolder) -> MemberData:
    """That of a finished run, from its cards and what it keeps of its data; the data itself is not read.

    Raises:
        UserError: the folder is damaged.
    """
    data, output = run.data(), parse_experiment(run.settings()).task.output
    sizes = {name: split["sequences"] for name, split in data["splits"].items()}
    items = {name: card["texts_sha256"] for name, card in run.cards().items()}
    shared = _shared(output, data["labels"], sizes, items)
    if output == "text":
        shared |= _tokens(data["tokenizer"], data["spec"]["vocabulary"])
    return MemberData(run.path.name, shared)


def data_of_experiment(name: str, config: AnyExperimentConfig, dataset: Dataset) -> MemberData:
    """That of an experiment on its dataset."""
    sizes = {split: len(data) for split, data in dataset.splits.items()}
    items = {split: data.items_sha256 for split, data in dataset.splits.items()}
    shared = _shared(config.task.output, dataset.labels, sizes, items)
    if config.task.output == "text":
        shared |= _tokens(dataset.tokenizer.spec(), len(dataset.tokenizer.vocabulary))
    return MemberData(name, shared, dataset.running)


def _tokens(tokenizer: Mapping[str, Any], vocabulary: int) -> dict[str, str]:
    """What language models must share: the tokens, so that the same ones are predicted."""
    digest = hashlib.sha256(json.dumps(tokenizer, sort_keys=True).encode()).hexdigest()
    name = f"{tokenizer['kind']!r}, {vocabulary:,} tokens (SHA-256 {digest[:12]})"
    return {"the tokenizer and its vocabulary": name}


def _shared(
    output: str, labels: Sequence[str], sizes: Mapping[str, int], items: Mapping[str, str]
) -> dict[str, str]:
    """What must be the same; the training split need not be."""
    scored = sorted(sizes.keys() - {"train"})
    return {
        "what they predict": f"a {output}",
        "the labels": ", ".join(map(repr, labels)) or "none",
        "the splits to score": ", ".join(scored),
        **{f"the number of texts of {name!r}": f"{sizes[name]:,}" for name in scored},
        **{
            f"the texts or labels of {name!r} (SHA-256)": items[name][:12] for name in scored if name in items
        },
    }
