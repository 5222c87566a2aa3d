"""Functions that find silent bugs: in a module, a recipe, a run, a data pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seqlab.experiment.handed_over import Settings, assignments, code_path

if TYPE_CHECKING:
    from torch import Tensor

    from seqlab.checkup.report import Report

TaskName = Literal["classify", "language-model", "translate", "regress"]


def check(
    what: str | Path | Callable[..., Any],
    batch: Any = None,
    task: TaskName | None = None,
    *,
    settings: Settings = (),
    roles: Mapping[str, Any] | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    seed: int = 0,
    time_limit: float = 120.0,
    trust: bool = False,
) -> Report:
    """Find silent bugs in a model, with the evidence, the likely cause and a fix. Nothing of it is changed.

    Args:
        what: a torch.nn.Module, its class or its `FILE.py:NAME`, a recipe, or a run.
        batch: an example of a module's input, (batch, time): a tensor, a tuple of arguments of forward, or a
            dict of them, with `targets` where there are any. None: random ones.
        task: of a module: classify, language-model, translate, regress; None is the one that its outputs fit.
        settings: of a recipe, or arguments of a class; as for `train`.
        roles: what arguments and outputs of forward are, where they cannot be guessed, as in `{"source":
            "src", "axes": "time-first"}`.
        loss: with which a module is trained, a function of outputs and targets.
        only: names of probes to run.
        skip: names of probes not to run.
        seed: of all random draws.
        time_limit: in seconds.
        trust: whether code that a run folder holds may be executed, although it was not trained here.

    Raises:
        UserError: there is no such module, recipe or run, it cannot be built, or an argument is wrong.
    """
    import torch

    if isinstance(what, torch.nn.Module):
        from seqlab.checkup.check_module import check_module

        return check_module(
            what, batch, task, roles=roles, loss=loss, only=only, skip=skip, seed=seed, time_limit=time_limit
        )
    from seqlab.evaluate.checkups import CheckOptions, checkup

    subject = code_path(what) if callable(what) else str(what)
    options = CheckOptions(
        task=task, only=tuple(only or ()), skip=tuple(skip or ()), seed=seed, time_limit=time_limit
    )
    return checkup(subject, assignments(settings), options=options, trust=trust)


def assert_healthy(module: Any, batch: Any = None, task: TaskName | None = None, **options: Any) -> None:
    """Fail, as `assert` does, where `check` finds something, or could examine nothing; for pytest.

    Args:
        module: see `check`.
        batch: see `check`.
        task: see `check`.
        **options: the other arguments of `check`.

    Raises:
        AssertionError: with the table of findings.
        UserError: an argument is wrong.
    """
    report = check(module, batch, task, **options)
    if not report.healthy:
        raise AssertionError(f"\n{report}")


def check_data(
    splits: Any,
    *,
    padding: int | None = None,
    end: int | None = None,
    only: Sequence[str] | None = None,
    skip: Sequence[str] | None = None,
    seed: int = 0,
) -> Report:
    """Find what a data pipeline loses or mixes up: examples, labels, end tokens, lengths, its order.

    Args:
        splits: a mapping from names to loaders, to pairs (examples, loader), or to objects with the
            attributes `examples` and `loader`; or one loader, which is the training split; or a function that
            returns it. A loader is iterable, again and again, over batches: mappings with `tokens` (batch,
            time), and as far as there are such `lengths` or `attention_mask`, and `labels` or `targets`; or
            tuples (tokens, labels) or (tokens, lengths, labels). An example is (tokens, label). Of a
            `DataLoader` the dataset is read, too.
        padding: the id of padding; None: the one that fills rows after their lengths.
        end: the id that ends each sequence; None: the one that ends every example, if there is one.
        only: names of probes to run.
        skip: names of probes not to run.
        seed: of the global generators while the splits are read.

    Raises:
        UserError: there is no such probe, or the pipeline has another form.
    """
    from seqlab.checkup.check_pipeline import check_pipeline

    return check_pipeline(splits, padding=padding, end=end, only=only, skip=skip, seed=seed)
