"""`seqlab completion`: commands and options completed by the shell."""

from __future__ import annotations

from typing import Literal, cast, get_args

from seqlab.cli.arguments import Json
from seqlab.cli.console import print_json, print_text
from seqlab.schema.errors import unknown

Shell = Literal["bash", "zsh", "fish"]
SHELLS: tuple[str, ...] = get_args(Shell)


def completion(shell: str, /, *, as_json: Json = False) -> None:
    """Print a script with which a shell completes commands and options.

    `eval "$(seqlab completion bash)"` loads it into the shell that is open; in its start file it is there for
    every new one. For zsh the same; for fish: `seqlab completion fish | source`.

    Parameters
    ----------
    shell
        bash, zsh or fish.
    as_json
        Print the script as JSON.
    """
    if shell not in SHELLS:
        raise unknown("completion for the shell", shell, SHELLS)
    # The application names this module, too.
    from seqlab.cli.app import app

    script = app.generate_completion(prog_name="seqlab", shell=cast("Shell", shell))
    print_json({"shell": shell, "script": script}) if as_json else print_text(script)
