"""`seqlab train`, `seqlab ensemble` and `seqlab resume`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from seqlab.cli.arguments import Json, Run, Setting, Trust, Whole
from seqlab.cli.console import metrics_line, print_json, print_line
from seqlab.cli.progress_display import working
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.runs.run_shapes import RunSummary


def train(
    recipe: str,
    /,
    *overrides: Setting,
    encoding: str | None = None,
    device: str | None = None,
    threads: Whole | None = None,
    as_json: Json = False,
) -> None:
    """Train a recipe, validate it, keep the best checkpoint.

    After an interruption, the same command resumes the run; after the end, it shows the result.

    Parameters
    ----------
    recipe
        Name of a shipped recipe (`seqlab list recipes`), or a TOML file.
    overrides
        Settings that override those of the recipe, e.g. model.hidden_size=200 training.epochs=3.
    encoding
        Encoding of your own data files, e.g. cp1252; short for data.encoding=cp1252. Default: utf-8.
    device
        Device to train on: cpu, cuda or mps. Default: cpu.
    threads
        Number of threads. Default: as many as make the steps of this model faster, at most OMP_NUM_THREADS
        and the processors that this process may use.
    as_json
        Print only the result, as JSON.
    """
    # Imported by the command, because torch takes seconds to load and --help must not wait for it.
    from seqlab.experiment import recipes
    from seqlab.training import run

    if encoding is not None:
        overrides = (*overrides, f"data.encoding={encoding}")
    with working("Reading the data", quiet=as_json) as display:
        config, notes = recipes.configure(recipe, overrides)
        for note in notes:
            display.message(note)
        summary = run.train(config, device=device, threads=threads, callback=display)
    _show(summary, as_json)


def ensemble(
    *runs: Annotated[str, Parameter(name="run")],
    device: str | None = None,
    threads: Whole | None = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Combine finished runs: the mean of their probabilities, or of their numbers.

    The ensemble is a run of its own, scored on validation. The members must have been scored on the same
    texts with the same labels; tokenizers and models may differ. Language models of one running text, with
    equal tokenizers, are mixed token by token, with weights fitted on validation. Members must be kept: their
    weights stay in their own folders.

    Parameters
    ----------
    runs
        Folders of runs, or the starts of their names, at least two; and settings, e.g. name=best
        ensemble.weights=2,1.
    device
        Device to compute on: cpu, cuda or mps. Default: cpu.
    threads
        Number of threads. Default: as many as pay.
    as_json
        Print only the result, as JSON.
    """
    from seqlab.training.make_ensemble import make_ensemble

    members = [word for word in runs if "=" not in word]
    overrides = [word for word in runs if "=" in word]
    with working("Reading the data", quiet=as_json) as display:
        summary = make_ensemble(
            members, overrides, device=device, threads=threads, callback=display, trust=trust
        )
    _show(summary, as_json)


def resume(name: Run, /, *, trust: Trust = False, as_json: Json = False) -> None:
    """Resume an interrupted run.

    Weights, records and samples are the same, bit for bit, as those of a run without an interruption.

    Parameters
    ----------
    as_json
        Print only the result, as JSON.
    """
    from seqlab.runs import run_folder
    from seqlab.training import run

    with working("Reading the data", quiet=as_json) as display:
        summary = run.resume(run_folder.find(name), callback=display, trust=trust)
    _show(summary, as_json)


def _show(summary: RunSummary, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    cost = summary["cost"]
    print_line(f"{summary['run']}: {summary['stopped']}")
    if summary["metrics"]:
        what = f"validation, best checkpoint (step {summary['best_step']:,})"
        print_line(f"{what if summary['steps'] else 'validation'}: {metrics_line(summary['metrics'])}")
    print_line(
        f"cost: {cost['training_seconds']:.0f} s training, {cost['evaluation_seconds']:.0f} s evaluation, "
        f"{cost['tokens_per_second']:,.0f} tokens/s, {cost['peak_memory_mib']:,.0f} MiB, "
        f"{summary['parameters']:,} parameters, {counted(cost['threads'], 'thread')} of {cost['processor']}"
    )
    print_line(f"next: {_next_step(Path(summary['run']))}")


def _next_step(path: Path) -> str:
    """The command that uses a finished run; a baseline or an ensemble is scored first."""
    from seqlab.experiment.experiment_config import parse_experiment
    from seqlab.runs import run_folder

    config = parse_experiment(run_folder.open_run(path).settings())
    name = shlex.quote(path.name if path.parent == run_folder.root() else str(path))
    if config.method != "network":
        return f"seqlab evaluate {name} --split test"
    return f"seqlab sample {name}" if config.task.output == "text" else f'seqlab predict {name} "your text"'
