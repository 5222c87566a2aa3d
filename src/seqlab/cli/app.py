"""The commands, in the order of a project: from data to results."""

from __future__ import annotations

from dataclasses import asdict
from importlib import metadata

from cyclopts import App, Parameter

from seqlab.cli import (
    bench_commands,
    check_command,
    demo_command,
    diagnose_command,
    evaluate_commands,
    explain_command,
    list_commands,
    predict_commands,
    remove_commands,
    report_command,
    show_command,
    study_command,
    train_commands,
)
from seqlab.cli.arguments import Json
from seqlab.cli.candidates import candidates, shell_lines
from seqlab.cli.console import print_json, print_text
from seqlab.cli.help_pages import HelpPages
from seqlab.cli.shell_scripts import SCRIPTS
from seqlab.schema.errors import unknown

app = App(
    name="seqlab",
    help="Train, compare and check sequence models; numbers that can be trusted.",
    help_epilogue="`seqlab COMMAND --help` shows the options of a command. Every command takes --json.",
    usage="seqlab COMMAND ...",
    version=metadata.version("seqlab"),
    version_flags=["--version"],
    help_flags=["--help", "-h"],
    help_format="plaintext",
    help_formatter=HelpPages(),
    group_parameters="Options",
    default_parameter=Parameter(negative=()),
    # `run` prints what was saved.
    suppress_keyboard_interrupt=False,
)


# Here, because it reads the application.
def completion(shell: str, line: str | None = None, /, *, as_json: Json = False) -> None:
    """Print a script by which a shell completes commands and names.

    Names are those of options, recipes, runs, studies and settings; where none fits, paths are completed.

    `eval "$(seqlab completion bash)"` loads it into the shell that is open; in its start file it is there for
    every new one. For zsh the same, after `compinit`; for fish: `seqlab completion fish | source`.

    Parameters
    ----------
    shell
        bash, zsh or fish.
    line
        What is written up to the cursor: print what may follow instead, as the script asks.
    as_json
        Print the script, or what may follow, as JSON.
    """
    if shell not in SCRIPTS:
        raise unknown("completion for the shell", shell, SCRIPTS)
    if line is None:
        script = SCRIPTS[shell]
        print_json({"shell": shell, "script": script}) if as_json else print_text(script)
        return
    found = candidates(app, line)
    if as_json:
        print_json([asdict(one) for one in found])
    elif found:
        print_text("\n".join(shell_lines(found, shell, line)))


_COMMANDS = (
    (demo_command.demo, "[--quick]"),
    (list_commands.list_, "[recipes|models|datasets|runs|...]"),
    (show_command.show, "RECIPE|STUDY|RUN|FILE [key=value]..."),
    (list_commands.data, "info|show|fetch NAME [key=value]..."),
    (list_commands.params, "RECIPE... [key=value]..."),
    (train_commands.train, "RECIPE|FILE [key=value]..."),
    (train_commands.resume, "RUN"),
    (train_commands.ensemble, "RUN RUN... [key=value]..."),
    (study_command.study, "STUDY|FILE [key=value]..."),
    (evaluate_commands.evaluate, "RUN"),
    (diagnose_command.diagnose, "RUN..."),
    (check_command.check, "FILE.py:NAME|RECIPE|RUN [key=value]..."),
    (predict_commands.sample, "RUN"),
    (predict_commands.predict, "RUN [TEXT]..."),
    (explain_command.explain, "RUN [TEXT]..."),
    (report_command.report, "RUN..."),
    (remove_commands.remove, "RUN..."),
    (remove_commands.clean, ""),
    (completion, "bash|zsh|fish"),
)
for order, (command, arguments) in enumerate(_COMMANDS):
    name = command.__name__.rstrip("_")
    usage = f"seqlab {name} {arguments} [OPTIONS]"
    app.command(command, name=name, sort_key=order, usage=usage, help_epilogue="")

_bench = App(
    name="bench",
    help="Measure speed, as ratios within one process.",
    help_epilogue="`seqlab bench step --help`, for example, shows the options of a benchmark.",
    usage="seqlab bench step|layers|busy [OPTIONS]",
    version=app.version,
    group_parameters="Options",
    sort_key=len(_COMMANDS),
)
for order, (name, command) in enumerate(
    {
        "step": bench_commands.bench_step,
        "layers": bench_commands.bench_layers,
        "busy": bench_commands.bench_busy,
    }.items()
):
    usage = f"seqlab bench {name} [OPTIONS]"
    _bench.command(command, name=name, sort_key=order, usage=usage, help_epilogue="", version=app.version)
app.command(_bench)
