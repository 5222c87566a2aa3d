"""`seqlab show`: every setting of a recipe, a study or a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.cli.arguments import Json, Setting
from seqlab.cli.console import (
    out,
    print_heading,
    print_json,
    print_line,
    print_note,
    print_table,
    print_text,
    table_width,
)
from seqlab.schema.errors import UserError, nearest
from seqlab.schema.settings import flat, format_setting

if TYPE_CHECKING:
    from seqlab.experiment.shown_experiment import Shown
    from seqlab.schema.described import DescribedSetting

_MEANING = 30
"""Least width of the sentences, in cells; a narrower terminal shows them on lines of their own."""


def show(what: str, /, *overrides: Setting, toml: bool = False, as_json: Json = False) -> None:
    """Show every setting, its value and its meaning.

    What differs from the base is marked with the base's value. The base of a recipe is the recipe that it
    extends, and with overrides the recipe itself; that of a run is the recipe of its name. A setting without
    a base is compared with its default.

    Parameters
    ----------
    what
        A recipe, a study, a run, or a TOML file of a recipe or study. A recipe comes before a study or run of
        the same name.
    overrides
        Settings that override those of a recipe or study, e.g. model.hidden_size=200.
    toml
        Print a TOML file that `seqlab train` or `seqlab study` takes, to edit as your own.
    as_json
        Print as JSON.
    """
    if toml and as_json:
        raise UserError("The settings are printed either as TOML or as JSON. Got both '--toml' and '--json'.")
    shown = _shown(what, overrides)
    if as_json:
        print_json(_as_table(shown))
        return
    for note in shown.notes:
        print_note(note)
    if toml:
        print_text(shown.toml().rstrip("\n"))
    else:
        _print(shown)


def _shown(what: str, overrides: Sequence[str]) -> Shown:
    # Imported here, because --help must not wait for what reads settings.
    from seqlab.experiment import recipes
    from seqlab.experiment.shown_experiment import shown_recipe, shown_run
    from seqlab.runs import run_folder, study_folder
    from seqlab.studies import design
    from seqlab.studies.shown_study import is_study_file, shown_begun, shown_study

    path = Path(what)
    if path.suffix == ".toml" and path.is_file():
        return (shown_study if is_study_file(path) else shown_recipe)(what, overrides)
    if what in recipes.names() or path.suffix == ".toml":
        return shown_recipe(what, overrides)
    if what in design.names():
        return shown_study(what, overrides)
    if overrides:
        raise UserError(
            f"Only settings of a recipe or study can be overridden. Got {what!r} and {overrides[0]!r}."
        )
    if what in study_folder.names() or study_folder.exists(path):
        return shown_begun(study_folder.find(what))
    try:
        run = run_folder.find(what)
    except UserError:
        known = [*recipes.names(), *design.names(), *study_folder.names(), *run_folder.names()]
        if any(name.startswith(what) for name in run_folder.names()) or run_folder.exists(path):
            raise
        hint = nearest(what, known)
        middle = f" Nearest: {hint!r}." if hint else ""
        raise UserError(
            f"There is no recipe, study or run {what!r}.{middle} `seqlab list` names all."
        ) from None
    return shown_run(run)


def _print(shown: Shown) -> None:
    about = f": {shown.about}" if shown.about else ""
    print_heading(f"{shown.kind} {shown.name}{about}")
    base = f"in {shown.base}" if shown.before is not None else shown.base
    columns = ("setting", "value", base, "meaning")
    rows = [
        (setting.key, _value(setting), _before(shown, setting), setting.meaning) for setting in shown.settings
    ]
    rows += [(key, "-", "given", f"Only {shown.base} has it.") for key in shown.left_out]
    if table_width(columns[:3], [row[:3] for row in rows]) + _MEANING <= out().width:
        print_table(columns, rows)
        return
    for key, value, before, meaning in rows:
        print_line(f"{key} = {'; '.join(value) if isinstance(value, tuple) else value}")
        print_line(f"    {base}: {before}\n    {meaning}" if before else f"    {meaning}")


def _value(setting: DescribedSetting) -> str | tuple[str, ...]:
    if isinstance(setting.value, Mapping) and setting.value:
        return tuple(f"{key}={format_setting(value)}" for key, value in flat(setting.value).items())
    return f"({setting.absent})" if setting.absent else format_setting(setting.value)


def _before(shown: Shown, setting: DescribedSetting) -> str:
    """The base's value of a setting that differs from it."""
    if not shown.differs(setting):
        return ""
    if shown.is_new(setting):
        return "-"
    value = shown.based_on(setting)
    return "-" if value is None and shown.before is None else format_setting(value)


def _as_table(shown: Shown) -> dict[str, Any]:
    return {
        "kind": shown.kind,
        "name": shown.name,
        "about": shown.about,
        "base": shown.base,
        "notes": list(shown.notes),
        "settings": [
            {
                "key": setting.key,
                "value": setting.value,
                "base": None if shown.is_new(setting) else shown.based_on(setting),
                "differs": shown.differs(setting),
                "absent": setting.absent or None,
                "meaning": setting.meaning,
            }
            for setting in shown.settings
        ],
        "left_out": shown.left_out,
    }
