"""What completes an argument or the value of an option: recipes, runs, settings and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from seqlab.schema.visible import shortened

if TYPE_CHECKING:
    from seqlab.schema.described import DescribedSetting

_LONGEST_ABOUT = 76


@dataclass(frozen=True)
class Completion:
    """A word that may be meant, and its meaning in one line, which may be empty."""

    text: str
    about: str = ""


Source = Callable[[Sequence[str], str], Iterable[Completion]]
"""Candidates for an argument, from the arguments before it and what is written of it."""


def one_line(text: str | None) -> str:
    """The first sentence of a help text, cut to the width of a terminal."""
    first = " ".join((text or "").split("\n\n")[0].split()).partition(". ")[0]
    return shortened(first.rstrip("."), _LONGEST_ABOUT)


def _words(*found: str) -> Source:
    return lambda before, word: [Completion(one) for one in found]


def _recipes(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.experiment import recipes

    return map(Completion, recipes.names())


def _studies(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.studies import design

    return map(Completion, design.names())


def _begun_studies(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.runs import study_folder

    return map(Completion, study_folder.names())


def _runs(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.runs import run_folder

    return map(Completion, run_folder.names())


def _unfinished_runs(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.runs import run_folder
    from seqlab.runs.run_files import FINISHED

    names = run_folder.names()
    return [Completion(name) for name in names if not (run_folder.root() / name / FINISHED).exists()]


def _any_of(*sources: Source) -> Source:
    return lambda before, word: dict.fromkeys(one for source in sources for one in source(before, word))


def _listed(name: str) -> Source:
    """What a table of `seqlab list` has."""

    def rows(before: Sequence[str], word: str) -> Iterable[Completion]:
        from seqlab.cli.list_commands import tables

        return [Completion(kind, one_line(about)) for kind, about in tables()[name]().items()]

    return rows


def _lists(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.cli.list_commands import tables

    return map(Completion, (*tables(), "runs", "all"))


def _columns(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.experiment.run_list import COLUMNS

    return map(Completion, COLUMNS)


def _methods(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.evaluate.explainer_kinds import EXPLAINERS

    return [Completion(name, EXPLAINERS.describe(name)) for name in EXPLAINERS]


def _recipe_settings(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.experiment.shown_experiment import shown_recipe

    recipe = next((name for name in before if "=" not in name), None)
    if recipe is None:
        return []
    return _assignments(shown_recipe(recipe, [one for one in before if "=" in one]).settings, word)


def _study_settings(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.studies.shown_study import shown_study

    return _assignments(shown_study(before[0], before[1:]).settings, word)


def _settings_of_either(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.studies import design

    return (_study_settings if before[0] in design.names() else _recipe_settings)(before, word)


def _ensemble_settings(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.experiment.experiment_config import EnsembleExperimentConfig
    from seqlab.runs import run_folder
    from seqlab.schema.described import described

    settings = described(EnsembleExperimentConfig, run_folder.find(before[0]).settings())
    return _assignments(list(settings), word)


def _dataset_settings(before: Sequence[str], word: str) -> Iterable[Completion]:
    from seqlab.data.data_kinds import DATASETS
    from seqlab.schema.described import described

    name = before[1]
    settings = described(DATASETS[name], {"kind": name})
    return _assignments([setting for setting in settings if setting.key != "kind"], word)


def _assignments(settings: Sequence[DescribedSetting], word: str) -> Iterable[Completion]:
    """`key=` of each setting; once the equals sign is written, the values of a setting that has a few."""
    settings = [*settings, *_next_tables(settings)]
    key, equals, _ = word.partition("=")
    if not equals:
        return [Completion(f"{setting.key}=", one_line(setting.meaning)) for setting in settings]
    values = [value for setting in settings if setting.key == key for value in _values(setting)]
    return [Completion(f"{key}={value.text}", value.about) for value in values]


def _next_tables(settings: Sequence[DescribedSetting]) -> Iterable[DescribedSetting]:
    """The kind of the table that can be added to each list of tables."""
    from seqlab.schema.described import DescribedSetting

    sizes = {setting.key: 0 for setting in settings if setting.value == [] and _table(setting.key) in _KINDS}
    for setting in settings:
        above, _, number = setting.item.rpartition(".")
        sizes |= {above: int(number) + 1} if above else {}
    return [
        DescribedSetting(f"{key}.{size}.kind", None, None, "Kind of one more.") for key, size in sizes.items()
    ]


def _table(key: str) -> str:
    """The name of a table by its key, of one in a list the list's."""
    return next((part for part in reversed(key.split(".")) if not part.isdecimal()), "")


def _values(setting: DescribedSetting) -> Iterable[Completion]:
    from seqlab.models.model_config import CellName

    table = _table(setting.key.removesuffix(".kind"))
    if setting.key.endswith(".kind") and table in _KINDS:
        return _KINDS[table]([], "")
    if setting.key.startswith("model.") and setting.key.endswith(".cell"):
        return map(Completion, get_args(CellName))
    return map(Completion, ("true", "false")) if isinstance(setting.value, bool) else ()


_KINDS: Mapping[str, Source] = {
    "data": _listed("datasets"),
    "batching": _listed("batching"),
    **{
        name: _listed(f"{name}s")
        for name in ("tokenizer", "task", "model", "baseline", "optimizer", "schedule", "averaging")
    },
    "layers": _listed("layers"),
    "search": _listed("searches"),
}
"""By the name of the table whose `kind` chooses."""

ARGUMENTS: Mapping[str, Sequence[Source]] = {
    "demo": (),
    "list": (_lists,),
    "show": (_any_of(_recipes, _studies, _begun_studies, _runs), _settings_of_either),
    "data": (_words("info", "show", "fetch"), _listed("datasets"), _dataset_settings),
    "params": (_recipes, _any_of(_recipes, _recipe_settings)),
    "train": (_recipes, _recipe_settings),
    "resume": (_unfinished_runs,),
    "ensemble": (_runs, _any_of(_runs, _ensemble_settings)),
    "study": (_any_of(_studies, _begun_studies), _study_settings),
    "evaluate": (_runs,),
    "diagnose": (_runs,),
    "check": (_any_of(_recipes, _runs), _recipe_settings),
    "sample": (_runs,),
    "predict": (_runs, _words()),
    "explain": (_runs, _words()),
    "report": (_any_of(_runs, _begun_studies),),
    "remove": (_runs,),
    "clean": (),
    "completion": (_words("bash", "zsh", "fish"), _words()),
    "bench step": (),
    "bench layers": (),
    "bench busy": (),
}
"""By command, for each argument that is no option; the last one may be repeated."""

OPTIONS: Mapping[str, Source] = {
    "--device": _words("cpu", "cuda", "mps"),
    "--diagnostic": _listed("diagnostics"),
    "--method": _methods,
    "--metric": _listed("metrics"),
    "--sort": _columns,
    "--split": _words("train", "valid", "test", "longer"),
    "--task": _listed("tasks"),
}
"""Values of options that are not declared with their choices; paths are completed where there are none."""
