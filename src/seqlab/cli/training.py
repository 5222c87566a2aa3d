"""`seqlab train` and `seqlab resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqlab.cli.arguments import Json, Run, Setting
from seqlab.cli.console import ProgressLine, metrics_line, print_json, say
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.runs.run_shapes import RunSummary


def train(
    recipe: str,
    /,
    *overrides: Setting,
    encoding: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    as_json: Json = False,
) -> None:
    """Train a recipe, validate it, keep the best checkpoint.

    Run again after an interruption, the same command goes on where it was; once finished it shows the result.

    Parameters
    ----------
    recipe
        Name of a shipped recipe (`seqlab list recipes`), or a TOML file.
    overrides
        Settings, e.g. model.hidden_size=200 training.epochs=3.
    encoding
        Encoding of own files, e.g. cp1252; the same as data.encoding=cp1252. Default: utf-8.
    device
        Where the model lives: cpu, cuda, mps. Default: cpu.
    threads
        Threads of the numerical libraries. Default: all cores.
    as_json
        Print the result as JSON, and nothing else.
    """
    from seqlab.experiment import recipes
    from seqlab.training import run

    line = ProgressLine(quiet=as_json)
    line.working("Reading the data")
    try:
        named = () if encoding is None else (f"data.encoding={encoding}",)
        config, notes = recipes.configure(recipe, (*overrides, *named))
        for note in notes:
            line.message(note)
        summary = run.train(config, device=device, threads=threads, listener=line)
    finally:
        line.close()
    _show(summary, as_json)


def resume(name: Run, /, *, as_json: Json = False) -> None:
    """Go on with an interrupted run, as if it had never stopped.

    Weights, records and samples end with the same bits.

    Parameters
    ----------
    as_json
        Print the result as JSON, and nothing else.
    """
    from seqlab.runs import run_folder
    from seqlab.training import run

    line = ProgressLine(quiet=as_json)
    try:
        summary = run.resume(run_folder.find(name), listener=line)
    finally:
        line.close()
    _show(summary, as_json)


def _show(summary: RunSummary, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    cost = summary["cost"]
    say(f"{summary['run']}: {summary['stopped']}")
    if summary["metrics"]:
        what = f"validation, best checkpoint (step {summary['best_step']:,})"
        say(f"{what if summary['steps'] else 'validation'}: {metrics_line(summary['metrics'])}")
    say(
        f"cost: {cost['training_seconds']:.0f} s training, {cost['evaluation_seconds']:.0f} s evaluation, "
        f"{cost['tokens_per_second']:,.0f} tokens/s, {cost['peak_memory_mib']:,.0f} MiB, "
        f"{summary['parameters']:,} parameters, {counted(cost['threads'], 'thread')} of {cost['processor']}"
    )
