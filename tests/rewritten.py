"""Files of a run folder changed with their checks, as if seqlab had written them so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from seqlab.runs.journal import journal_text
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.seal import check_of, unseal
from seqlab.runs.typed_json import to_json


def journal(run: RunFolder, file: str, change: Callable[[str], str]) -> None:
    """Change each line of a growing file."""
    path = run.path / file
    lines = [unseal(line)[0] for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    path.write_text(journal_text([change(line) for line in lines], file), encoding="utf-8")
    if run.finished:
        run.finish(run.summary())


def json_file(run: RunFolder, file: str, changed: Mapping[str, Any]) -> None:
    """Change keys of a JSON file."""
    path = run.path / file
    content = json.loads(unseal(path.read_text(encoding="utf-8"))[0])
    subject = file if file == "run.json" else run.subject(file)
    path.write_text(to_json({**content, **changed}, subject), encoding="utf-8")


def config(run: RunFolder, text: str) -> None:
    """Replace the settings."""
    run.config_path.write_text(text, encoding="utf-8")
    json_file(run, "run.json", {"config": check_of(text, run.subject(run.config_path.name))})
