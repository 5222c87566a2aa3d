"""Arguments shared by several commands."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter(name="--json")]
Setting = Annotated[str, Parameter(name="key=value")]
Run = Annotated[str, Parameter(name="run", help="Folder of the run, or the start of its name.")]
