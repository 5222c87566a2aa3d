"""The commands, in the order of the way from data to result."""

from __future__ import annotations

from importlib import metadata

from cyclopts import App

from seqlab.cli import browse, training, using

app = App(
    name="seqlab",
    help="Train, compare and check sequence models; numbers that can be trusted.",
    version=metadata.version("seqlab"),
    version_flags=["--version"],
    help_flags=["--help", "-h"],
    help_format="plaintext",
    # `run` says what was saved
    suppress_keyboard_interrupt=False,
)
_COMMANDS = (
    browse.list_,
    browse.data,
    browse.params,
    training.train,
    training.resume,
    using.evaluate,
    using.sample,
    using.predict,
)
for place, command in enumerate(_COMMANDS):
    app.command(command, name=command.__name__.rstrip("_"), sort_key=place)
