"""The commands, in the order of the way from data to result."""

from __future__ import annotations

from importlib import metadata

from cyclopts import App, Parameter

from seqlab.cli import benching, browse, demo, reporting, scoring, studying, training, using
from seqlab.cli.help import Help

app = App(
    name="seqlab",
    help="Train, compare and check sequence models; numbers that can be trusted.",
    help_epilogue="`seqlab COMMAND --help` says more. Every command takes --json.",
    usage="seqlab COMMAND ...",
    version=metadata.version("seqlab"),
    version_flags=["--version"],
    help_flags=["--help", "-h"],
    help_format="plaintext",
    help_formatter=Help(),
    group_parameters="Options",
    default_parameter=Parameter(negative=()),
    # `run` says what was saved
    suppress_keyboard_interrupt=False,
)
_COMMANDS = (
    (demo.demo, "[--quick]"),
    (browse.list_, "[recipes|models|datasets|runs|...]"),
    (browse.data, "info|show|fetch NAME [key=value]..."),
    (browse.params, "RECIPE... [key=value]..."),
    (training.train, "RECIPE|FILE [key=value]..."),
    (training.resume, "RUN"),
    (studying.study, "STUDY|FILE [key=value]..."),
    (scoring.evaluate, "RUN"),
    (scoring.diagnose, "RUN"),
    (using.sample, "RUN"),
    (using.predict, "RUN [TEXT]..."),
    (reporting.report, "RUN..."),
)
for place, (command, arguments) in enumerate(_COMMANDS):
    name = command.__name__.rstrip("_")
    usage = f"seqlab {name} {arguments} [OPTIONS]"
    app.command(command, name=name, sort_key=place, usage=usage, help_epilogue="")

_bench = App(
    name="bench",
    help="Measure speed, as ratios within one process.",
    help_epilogue="`seqlab bench step --help` and `seqlab bench layers --help` say more.",
    usage="seqlab bench step|layers [OPTIONS]",
    version=app.version,
    group_parameters="Options",
    sort_key=len(_COMMANDS),
)
for place, (name, command) in enumerate(
    {"step": benching.bench_step, "layers": benching.bench_layers}.items()
):
    usage = f"seqlab bench {name} [OPTIONS]"
    _bench.command(command, name=name, sort_key=place, usage=usage, help_epilogue="", version=app.version)
app.command(_bench)
