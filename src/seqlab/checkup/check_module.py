"""The checkup of any torch module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from seqlab.checkup.examine import SECONDS, examine
from seqlab.checkup.make_subject import module_subject
from seqlab.checkup.report import Report
from seqlab.checkup.subject import LossFunction, TaskName
from seqlab.models.check_roles import CheckRoles
from seqlab.schema.config import parse


def check_module(
    module: nn.Module,
    batch: Any = None,
    task: TaskName | None = None,
    *,
    roles: Mapping[str, Any] | None = None,
    loss: LossFunction | None = None,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    seed: int = 0,
    time_limit: float = SECONDS,
) -> Report:
    """Find silent bugs in a module.

    Args:
        module: not changed; neither are its weights, gradients, modes, hooks, and the global generators.
        batch: an example: a tensor, a tuple of arguments of forward, or a mapping of them; `targets` beside
            them. None: random ones.
        task: what it predicts: classify, language-model, translate, regress; None: by its outputs.
        roles: what cannot be guessed; see `CheckRoles`.
        loss: your own, of outputs and targets, with which it is trained.
        only: names of probes to run; None: all.
        skip: names of probes not to run.
        seed: of all random draws.
        time_limit: in seconds.

    Raises:
        UserError: an argument is wrong. A module that cannot be called is reported, not raised.
    """
    settings = parse(CheckRoles, dict(roles or {}), "roles")
    return examine(
        lambda: module_subject(module, batch, task, settings, loss),
        label=type(module).__name__,
        only=only,
        skip=skip,
        seed=seed,
        time_limit=time_limit,
    )
