"""The examples of CONTRIBUTING.md: one new file and at most one line in a registry add a kind."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import re
import shlex
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import pytest
import torch
from pages import ROOT

from seqlab import cli
from seqlab.nn.layer import Layer
from seqlab.runs import run_folder
from seqlab.schema.registry import Registry

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
BRACKETS = ["data.train=60", "data.valid=20", "data.test=20", "data.max_length=20", "samples.max_tokens=8"]
SMALL = {
    "brackets-lstm": BRACKETS,
    "marked-addition-lstm": ["data.train=60", "data.valid=20", "data.test=20"],
    "marked-addition-majority": ["data.train=60", "data.valid=20", "data.test=20"],
    "text-lm": ["samples.max_tokens=8"],
    "widths.toml": [*BRACKETS, "seeds=1", "search.trials=2"],
}
"""Settings that make the shown training small, by recipe or study; networks are trained for a few steps."""
FEW = ["training.max_steps=3", "training.tensorboard=false", "samples.checked=20"]
FEW += ["samples.checked_at_end=20"]


@dataclass(frozen=True)
class Example:
    """A section that adds something."""

    title: str
    text: str

    @cached_property
    def paths(self) -> list[str]:
        """Every file of the package that the section names."""
        return re.findall(r"`(src/seqlab/[^`]*\.py)`", self.text)

    @cached_property
    def module(self) -> str:
        """Name of the new module."""
        return module_of(self.paths[0])

    @cached_property
    def code(self) -> list[str]:
        """The new file, and the line of the registry where there is one."""
        return re.findall(r"```python\n(.*?)```", self.text, flags=re.DOTALL)

    @cached_property
    def files(self) -> dict[str, str]:
        """Files of the user that the commands read."""
        return dict(re.findall(r"`([\w.]+)`:\n\n```toml\n(.*?)```", self.text, flags=re.DOTALL))

    @cached_property
    def commands(self) -> list[str]:
        return re.findall(r"^    seqlab (.*)$", self.text, flags=re.MULTILINE)

    @cached_property
    def entry(self) -> tuple[str, tuple[str, str]]:
        """The kind, and the path of its class with its description."""
        ((kind, value),) = ast.literal_eval("{" + self.code[1] + "}").items()
        return kind, value

    @cached_property
    def registry(self) -> Registry | None:
        names = re.findall(r"^One line in `([A-Z]+)` of ", self.text, flags=re.MULTILINE)
        return getattr(importlib.import_module(module_of(self.paths[1])), names[0]) if names else None


def module_of(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").replace("/", ".")


EXAMPLES = [
    Example(title, text) for title, text in SECTIONS.items() if title.startswith(("Add a ", "Add an "))
]
REGISTERED = [example for example in EXAMPLES if example.registry is not None]


def _name(example: Example) -> str:
    return example.title.split()[-1]


every_example = pytest.mark.parametrize("example", EXAMPLES, ids=_name)
every_registered = pytest.mark.parametrize("example", REGISTERED, ids=_name)
Install = Callable[[Example], types.ModuleType]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Follow a section, and those it builds on, for the length of a test; returns the new module."""

    def add(example: Example) -> types.ModuleType:
        for other in EXAMPLES:
            if f"from {other.module} import" in example.code[0]:
                add(other)
        module = _load(example, tmp_path, monkeypatch)
        if example.registry is not None:
            table = cast("dict[str, tuple[str, str]]", example.registry.table)
            monkeypatch.setitem(table, *example.entry)
        return module

    return add


def _load(example: Example, folder: Path, patch: pytest.MonkeyPatch) -> types.ModuleType:
    # A real file, because docstrings of settings are read from the source.
    file = folder / Path(example.paths[0]).name
    file.write_text(example.code[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(example.module, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, example.module, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(cache))
    (tmp_path / "book.txt").write_text(
        "The rain in Spain stays mainly in the plain.\n" * 60, encoding="utf-8"
    )


def test_the_table_lists_every_section() -> None:
    table = SECTIONS["Extension points"]
    rows = re.findall(r"^\| (an? .*?) \| `(.*?)` \| `?(.*?)`? \|$", table, flags=re.MULTILINE)
    assert rows == [
        (e.title.removeprefix("Add "), str(Path(e.paths[0]).parent), e.paths[1] if e.paths[1:] else "none")
        for e in EXAMPLES
    ]
    kinds = (
        "optimizer schedule averaging layer model dataset tokenizer metric diagnostic baseline search probe"
    )
    assert [_name(example) for example in EXAMPLES] == kinds.split()


@every_example
def test_takes_one_new_file_and_at_most_one_line(example: Example) -> None:
    new, *registries = example.paths
    assert not (ROOT / new).exists(), "the example is not part of the package"
    assert (ROOT / new).parent.is_dir()
    assert len(registries) == len(example.code) - 1 == (example.registry is not None)
    for line in example.code[1:]:
        assert len(line.splitlines()) == 1
        kind, (path, description) = example.entry
        assert path.partition(":")[0] == example.module
        assert example.registry is not None
        assert kind not in example.registry
        assert description


@every_example
def test_the_tests_it_names_exist(example: Example) -> None:
    assert re.search(r"^Tests: ", example.text, flags=re.MULTILINE)
    for path in re.findall(r"`(tests/[^`]*)`", example.text):
        assert (ROOT / path).exists(), path


@every_registered
def test_the_shown_commands_run(example: Example, install: Install, capsys) -> None:
    install(example)
    for name, content in example.files.items():
        Path(name).write_text(content, encoding="utf-8")
    kind = example.entry[0]
    assert any(kind in text for text in [*example.commands, *example.files.values()])
    for command in example.commands:
        assert cli.run(_shortened(shlex.split(command))) == 0, command
    capsys.readouterr()
    assert example.registry is not None
    what = example.registry.what
    assert cli.run(["list", {"search": "searches"}.get(what, f"{what}s")]) == 0
    assert kind in capsys.readouterr().out


def _shortened(words: list[str]) -> list[str]:
    """A command with less data and few steps, and the full name of the run it is about."""
    match words:
        case ["train" | "study", what, *_]:
            is_baseline = any(word.startswith("baseline.") for word in words)
            return [*words, *SMALL[what], *([] if is_baseline else FEW)]
        case ["params", *_]:
            return words
        case ["check", *_]:
            # It runs in a process of its own, which does not know the example.
            return ["list", "probes"]
        case [command, run, *rest]:
            return [command, next(name for name in run_folder.names() if name.startswith(run)), *rest]
    raise AssertionError(words)


@every_example
def test_its_doctests_pass(example: Example, install: Install) -> None:
    assert doctest.testmod(install(example)).failed == 0


@every_registered
def test_is_described(example: Example, install: Install) -> None:
    install(example)
    assert example.registry is not None
    cls = example.registry[example.entry[0]]
    assert cls.__doc__
    for name, field in getattr(cls, "model_fields", {}).items():
        assert field.description, name


def test_the_layer_keeps_the_protocol(install: Install) -> None:
    """In pieces as at once, whatever follows the length of a sequence."""
    (example,) = [example for example in EXAMPLES if _name(example) == "layer"]
    generator = torch.Generator().manual_seed(1)
    layer: Layer = install(example).CausalConvolution(3, 5, 4, generator=generator)
    x, lengths = torch.randn(2, 7, 3, generator=generator), torch.tensor([7, 3])
    whole, _, state = layer(x, lengths)
    assert whole.shape == (2, 7, layer.output_size)
    changed = x.clone()
    changed[1, 3:] = 9.0
    assert torch.equal(layer(changed, lengths)[0], whole)
    first, _, middle = layer(x[:, :2], torch.tensor([2, 2]))
    second, _, last = layer(x[:, 2:], torch.tensor([5, 1]), middle)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-6)
    assert state is not None
    assert last is not None
    assert torch.allclose(last["past"], state["past"])
