"""The checkup of a data pipeline in a file of the user's own."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.checkup.check_pipeline import check_pipeline
from seqlab.checkup.report import Report
from seqlab.schema import own_code
from seqlab.schema.errors import UserError
from seqlab.schema.kept_defaults import kept_defaults
from seqlab.schema.seeded_generators import seeded_generators


def pipeline_checkup(
    path: str,
    settings: Sequence[str] = (),
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    seed: int = 0,
) -> Report:
    """Check `FILE.py:LOADER`, a function without arguments that returns what `read_pipeline` takes.

    Args:
        path: the function.
        settings: `padding=ID` and `end=ID`.
        only: names of probes to run.
        skip: names of probes not to run.
        seed: of the global generators.

    Raises:
        UserError: there is no such function, it fails, or a setting is wrong.
    """
    ids = dict(_id(setting) for setting in settings)
    code = own_code.load(path)
    with kept_defaults(code.label), code.errors("its splits were made"), seeded_generators(seed):
        splits = code.value()
    with kept_defaults(code.label), code.errors("its batches were read"):
        return check_pipeline(splits, only=only, skip=skip, seed=seed, label=path, **ids)


def _id(setting: str) -> tuple[str, int]:
    name, _, value = setting.partition("=")
    if name not in ("padding", "end") or not value.isdecimal():
        raise UserError(f"A setting of --data must be padding=ID or end=ID, a token id. Got {setting!r}.")
    return name, int(value)
