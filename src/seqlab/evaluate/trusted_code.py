"""Code of one's own in run folders: executed only where it is trusted on this machine.

Code is trusted when the user trains from a file of his own: the SHA-256 of its content is then kept in the
cache.
"""

from __future__ import annotations

from pathlib import Path

from seqlab.data.fetch import cache_folder
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.runs import atomic, run_folder
from seqlab.runs.run_files import copied_code
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.code_settings import code_values, load_code
from seqlab.schema.errors import DamagedFileError, UserError
from seqlab.schema.own_code import OwnCode, label, split


def load_and_trust(config: AnyExperimentConfig) -> dict[str, OwnCode]:
    """The code that settings of the user's own name, by full key; it is trusted from now on.

    Raises:
        UserError: code is missing or fails, or it lies in a run folder and is not trusted.
        WorkError: the cache cannot be written.
    """
    for key, value in code_values(config).items():
        folder = _run_of(Path(split(value)[0]))
        if folder is not None:
            require_trust(run_folder.open_run(folder), {key: value}, trust=False)
    code = load_code(config)
    for each in code.values():
        path = _note(each.sha256)
        if not path.is_file():
            atomic.write_text(path, f"{each.label}\n", retry="repeat the command")
    return code


def require_trust(run: RunFolder, values: dict[str, str], *, trust: bool) -> None:
    """Check the copies of code in a run folder, and that they may be executed.

    Args:
        run: whose folder it is.
        values: the settings that name code, by full key, with the run's folder before each.
        trust: whether the user has said that they may.

    Raises:
        UserError: a copy is damaged, or is not trusted.
    """
    record = run.code()
    entries = {} if record is None else record["entries"]
    for key, value in values.items():
        copy = f"{run.path / copied_code(key, label(value))}"
        if key not in entries or entries[key]["code"] != label(value) or value != copy:
            raise DamagedFileError(f"{run.config_path} must name the run's own copy of code. Got {value!r}.")
        sha256 = entries[key]["sha256"]
        if not trust and not _note(sha256).is_file():
            raise UserError(
                f"{run.path} must be trusted, because it would run {copy} (SHA-256 {sha256[:12]}), and code "
                "can do anything that you can. It was not trained on this machine. Read that file, then "
                "repeat with --trust (in Python trust=True)."
            )


def _note(sha256: str) -> Path:
    return cache_folder() / "trusted" / sha256


def _run_of(path: Path) -> Path | None:
    """The run folder that a file lies in."""
    return next((folder for folder in path.absolute().parents if run_folder.exists(folder)), None)
