"""`seqlab train` and `seqlab resume`."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from seqlab.cli.console import ProgressLine, metrics_line, out, print_json

Json = Annotated[bool, Parameter(name="--json", negative="")]


def train(
    recipe: str,
    /,
    *overrides: str,
    device: str | None = None,
    threads: int | None = None,
    as_json: Json = False,
) -> None:
    """Train a model from a recipe, validate it, keep the best checkpoint.

    Run again after an interruption, the same command goes on where it was; once finished it shows the result.

    Parameters
    ----------
    recipe
        Name of a shipped recipe (`seqlab list recipes`), or a TOML file.
    overrides
        Settings as key=value, e.g. model.hidden_size=200 training.epochs=3.
    device
        Where the model lives: cpu, cuda, mps. Default: cpu.
    threads
        Threads of the numerical libraries. Default: all cores.
    as_json
        Print the result as JSON, and nothing else.
    """
    from seqlab.train import recipes, run

    config, notes = recipes.configure(recipe, overrides)
    line = ProgressLine(quiet=as_json)
    for note in notes:
        line.message(note)
    try:
        summary = run.train(config, device=device, threads=threads, listener=line)
    finally:
        line.close()
    _show(summary, as_json)


def resume(name: str, /, *, as_json: Json = False) -> None:
    """Go on with an interrupted run, to the bit as if it had never stopped.

    Parameters
    ----------
    name
        Folder of the run, or the beginning of its name.
    as_json
        Print the result as JSON, and nothing else.
    """
    from seqlab.runs import folder
    from seqlab.train import run

    line = ProgressLine(quiet=as_json)
    try:
        summary = run.resume(folder.find(name), listener=line)
    finally:
        line.close()
    _show(summary, as_json)


def _show(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    cost = summary["cost"]
    out.print(f"{summary['run']}: {summary['stopped']}", markup=False)
    if summary["metrics"]:
        out.print(f"validation, best checkpoint (step {summary['best_step']}): ", end="", markup=False)
        out.print(metrics_line(summary["metrics"]), markup=False)
    out.print(
        f"cost: {cost['training_seconds']:.0f} s training, {cost['evaluation_seconds']:.0f} s evaluation, "
        f"{cost['tokens_per_second']:,.0f} tokens/s, {cost['peak_memory_mib']:,.0f} MiB, "
        f"{summary['parameters']:,} parameters, {cost['threads']} threads of {cost['processor']}",
        markup=False,
    )
