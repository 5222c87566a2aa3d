"""Compares the training steps of a recipe with the same steps in plain PyTorch, loss by loss.

`python scripts/compare_plain.py RECIPE [key=value...] [--steps 200]` trains a language model twice, from
the same weights on the same windows: by seqlab, as `seqlab train` does, and by the plain program of
`plain_language_models.py`. It prints both losses, and ends with status 1 where they differ by more than a
hundredth; the last digits do, because rounding grows from step to step.

Dropout is off in both. With `--dropout` it is on, with masks from equal generators in the same order, as long
as torch draws those of seqlab, too: of large batches it does so with SEQLAB_KERNELS=reference alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqlab.experiment.experiment_config import ExperimentConfig

MOST = 0.01
"""Relative difference of two losses above which they are not those of the same program."""


class Losses:
    """A callback that keeps the loss of each step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def step(self, progress: object, loss: float, total_epochs: float) -> None:
        """After each step."""
        self.losses.append(loss)

    def validated(self, progress: object, metrics: object, best: bool) -> bool:
        """Never a reason to stop."""
        return False

    def sampled(self, samples: object, valid: object) -> None:
        """Of no interest."""

    def scored(self, done: int, total: int) -> None:
        """Of no interest."""

    def message(self, text: str) -> None:
        """Of no interest."""


def losses_of_seqlab(config: ExperimentConfig) -> list[float]:
    """The mean loss of each training step, in nats per token; the run folder is temporary."""
    from seqlab.training import run

    callback, before = Losses(), os.environ.get("SEQLAB_RUNS")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEQLAB_RUNS"] = folder
        try:
            run.train(config, callback=callback)
        finally:
            if before is None:
                del os.environ["SEQLAB_RUNS"]
            else:
                os.environ["SEQLAB_RUNS"] = before
    return callback.losses


def losses_of_plain_pytorch(config: ExperimentConfig, steps: int) -> list[float]:
    """The same by the plain program, from the weights that seqlab draws."""
    import torch
    from plain_language_models import train

    from seqlab.experiment import seeding
    from seqlab.experiment.network_experiment import NetworkExperiment
    from seqlab.schema.config import plain
    from seqlab.schema.settings import flat

    made = NetworkExperiment(config, config.dataset(), torch.device("cpu"))
    batches = made.task.batches(made.dataset.splits["train"], config.batching, None)
    first = batches[0].inputs.tokens[0, :1]
    text = torch.cat([first, torch.tensor(made.dataset.splits["train"].text.tokens, dtype=torch.int64)])
    masks = seeding.generator(config.seed, "dropout")
    return list(train(flat(plain(config)), made.model.state_dict(), text, masks, steps))


def without_dropout(recipe: str) -> list[str]:
    """Settings that switch off every dropout of a recipe."""
    from seqlab.experiment import recipes

    model = recipes.read(recipe).table["model"]
    return [f"model.{key}=0" for key in ("dropout", "attention_dropout") if model.get(key)]


def compare(recipe: str, overrides: Sequence[str], steps: int) -> float:
    """Print both losses of some steps, and return the greatest relative difference of all."""
    from seqlab.experiment import recipes

    settings = [*overrides, f"training.max_steps={steps}", "samples.count=0", "training.tensorboard=false"]
    config = recipes.network(recipe, settings)
    began = time.monotonic()
    ours = losses_of_seqlab(config)
    middle = time.monotonic()
    plain = losses_of_plain_pytorch(config, steps)
    differences = [abs(a - b) / b for a, b in zip(ours, plain, strict=True)]
    print(f"{recipe}, seconds with start and scoring: seqlab {middle - began:.0f}, ", end="")
    print(f"plain PyTorch without scoring {time.monotonic() - middle:.0f}.\nstep    seqlab     plain")
    for step in sorted({*range(0, steps, max(1, steps // 10)), steps - 1}):
        print(f"{step + 1:4}  {ours[step]:8.5f}  {plain[step]:8.5f}")
    print(f"Greatest relative difference of {steps} losses: {max(differences):.2g}.")
    return max(differences)


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", help="a language model with recurrent or Transformer layers")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of both")
    parser.add_argument("--steps", type=int, default=200, help="training steps (200)")
    parser.add_argument("--dropout", action="store_true", help="with the recipe's dropout in both")
    asked = parser.parse_args()
    off = [] if asked.dropout else without_dropout(asked.recipe)
    return int(compare(asked.recipe, [*off, *asked.overrides], asked.steps) > MOST)


if __name__ == "__main__":
    sys.exit(main())
