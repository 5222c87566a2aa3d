"""Code of one's own: `FILE.py:NAME`, loaded without touching the package; free of torch.

The file is imported under a private name, together with the modules of its folder that it imports at its top.
Exactly the texts that are executed are the content, whose SHA-256 decides whether two experiments are the
same.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from typing_extensions import override

from seqlab.schema.errors import UserError, nearest, unknown
from seqlab.schema.kept_defaults import kept_defaults
from seqlab.schema.own_errors import OwnCodeError, describe, is_ours, location, note_file
from seqlab.schema.seeded_generators import seeded_generators

_FORM = re.compile(r"(?P<file>.+\.py):(?P<name>[^\W\d]\w*)", re.DOTALL)
_NEVER = frozenset(sys.stdlib_module_names) | {"seqlab", "torch"}
"""Modules that a file of the folder never replaces."""

_RELATIVE = (
    " A file of your own is imported alone: write `import other` for other.py of its folder. For a class of "
    "an installed package, write a function in a file of your own that imports it and returns an object."
)


@dataclass(frozen=True)
class OwnCode:
    """A class or function of a file of the user's own.

    path: of the file. name: of the class or function. value: the class or function itself. files: the texts
    that were executed, by their paths relative to the file's folder.
    """

    path: Path
    name: str
    value: Any
    files: Mapping[str, bytes]

    @property
    def label(self) -> str:
        """`FILE.py:NAME` without the folder."""
        return f"{self.path.name}:{self.name}"

    @property
    def sha256(self) -> str:
        """SHA-256 of the content; see `content_hash`."""
        return content_hash(self.files)

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn an exception of the user's code into one sentence with the line of the user's file.

        Args:
            doing: what the code was doing, for the message.

        Raises:
            OwnCodeError: the block raised an exception that is not seqlab's own.
        """
        try:
            yield
        except BaseException as error:  # the user's code may raise anything, and even end the program
            if is_ours(error):
                raise
            where = location(error) or self.label
            raise OwnCodeError(f"{where} failed while {doing}: {describe(error)}") from None


def content_hash(files: Mapping[str, bytes]) -> str:
    """SHA-256 of files by their relative paths, in the order of the paths."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n{len(files[name])}\n".encode() + files[name])
    return digest.hexdigest()


def names_code(value: Any) -> bool:
    """Whether a value is written `FILE.py:NAME`."""
    return isinstance(value, str) and _FORM.fullmatch(value) is not None


def split(value: str) -> tuple[str, str]:
    """The file and the name of `FILE.py:NAME`.

    >>> split("nets/mine.py:Net")
    ('nets/mine.py', 'Net')

    Raises:
        UserError: it is not written like this.
    """
    match = _FORM.fullmatch(value)
    if match is None:
        hint = f" Nearest: '{value}:NAME', a class or function in it." if value.endswith(".py") else ""
        raise UserError(f"Code of your own must be written FILE.py:NAME. Got {value!r}.{hint}")
    return match["file"], match["name"]


def label(value: str) -> str:
    """`FILE.py:NAME` without the folder.

    >>> label("nets/mine.py:Net")
    'mine.py:Net'
    """
    file, name = split(value)
    return f"{Path(file).name}:{name}"


def in_folder(value: Any, folder: Path) -> Any:
    """A value of a file's table; where it is `FILE.py:NAME`, it is relative to the folder of that file."""
    match value:
        case str() if names_code(value):
            file, name = split(value)
            return f"{folder / Path(file).expanduser()}:{name}"
        case dict():
            return {key: in_folder(inner, folder) for key, inner in value.items()}
        case list():
            return [in_folder(inner, folder) for inner in value]
        case _:
            return value


_loaded: dict[Path, tuple[ModuleType, Mapping[str, bytes]]] = {}
_importing: set[Path] = set()


def load(value: str) -> OwnCode:
    """Import `FILE.py:NAME`; a file that has not changed since is imported once per process.

    Raises:
        UserError: there is no such file, class or function.
        OwnCodeError: the file is not Python, its import fails, or it loads itself.
    """
    file, name = split(value)
    path = Path(file).expanduser()
    module, files = _module(path)
    found = {
        key: member
        for key, member in vars(module).items()
        if callable(member) and getattr(member, "__module__", None) == module.__name__
    }
    if name not in vars(module):
        raise unknown("class or function", name, found, where=f"in {path}")
    member = vars(module)[name]
    if not callable(member):
        hint = nearest(name, found)
        raise UserError(
            f"{path}:{name} must be a class or a function. Got {type(member).__name__}."
            f"{f' Nearest: {hint!r}.' if hint else ''}"
        )
    return OwnCode(path, name, member, files)


def _module(path: Path) -> tuple[ModuleType, Mapping[str, bytes]]:
    text = _text(path)
    absolute = path.resolve()
    if absolute in _loaded:
        module, files = _loaded[absolute]
        if all(_unchanged(absolute.parent / name, content) for name, content in files.items()):
            return module, files
    if absolute in _importing:
        raise OwnCodeError(
            f"{path} must not be used while it is imported: put what trains into another file or cell, or "
            "below `if __name__ == '__main__':`."
        )
    _importing.add(absolute)
    try:
        _loaded[absolute] = _import(path, absolute, text)
    finally:
        _importing.remove(absolute)
    return _loaded[absolute]


def _unchanged(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _text(path: Path) -> bytes:
    if not path.is_file():
        found = path.parent.glob("*.py") if path.parent.is_dir() else ()
        hint = nearest(path.name, [other.name for other in found if other.is_file()])
        exists = path.is_symlink() or path.exists()
        got = "a folder" if path.is_dir() else "no file" if exists else "no such file"
        raise UserError(f"{path} must be a Python file. Got {got}.{f' Nearest: {hint!r}.' if hint else ''}")
    return path.read_bytes()


def _import(path: Path, absolute: Path, text: bytes) -> tuple[ModuleType, Mapping[str, bytes]]:
    files = {absolute.name: text}
    code = _compiled(text, absolute)
    # A private name, so that no other module is hidden; one name for each content, as classes keep their
    # module.
    module = ModuleType(f"seqlab_own_{content_hash(files)[:12]}_{absolute.stem}")
    module.__file__ = str(absolute)
    sys.modules[module.__name__] = module
    note_file(absolute)
    try:
        with seeded_generators(), kept_defaults(path.name), _siblings(absolute.parent, files):
            exec(code, vars(module))
    except BaseException as error:  # the user's code may raise anything, and even end the program
        if is_ours(error):
            raise
        where = location(error) or path.name
        words = describe(error)
        advice = _RELATIVE if "relative import" in words else ""
        raise OwnCodeError(f"{where} failed while {path} was imported: {words}{advice}") from None
    return module, files


def _compiled(text: bytes, path: Path) -> CodeType:
    try:
        # Else the file would have the future features of this module.
        return compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        where = path.name if error.lineno is None else f"{path.name}:{error.lineno}"
        raise OwnCodeError(f"{where} must be Python. Got: {error.msg}.") from None
    except ValueError as error:  # a zero byte
        raise OwnCodeError(f"{path.name} must be Python. Got: {error}.") from None


@contextmanager
def _siblings(folder: Path, files: dict[str, bytes]) -> Iterator[None]:
    """Let modules of a folder be imported inside the block; their texts are added to `files`.

    Afterwards no module of the folder is left among the imported ones, so that another folder may have
    modules of the same names, and a changed one is read again.
    """
    finder = _Finder(folder, files)
    hidden = finder.take_out()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        finder.take_out()
        sys.modules.update(hidden)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules of a folder, never in place of the standard library, torch or seqlab."""

    def __init__(self, folder: Path, files: dict[str, bytes]):
        self._folder, self._files = folder, files

    def take_out(self) -> dict[str, ModuleType]:
        """Remove the imported modules of names that the folder has; returns them."""
        tops = {name.partition(".")[0] for name in sys.modules}
        here = {top for top in tops if self._path(top) is not None}
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in here}

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        found = self._path(fullname)
        if found is None:
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            found,
            loader=_Loader(found, found.relative_to(self._folder).as_posix(), self._files),
            submodule_search_locations=[str(found.parent)] if found.name == "__init__.py" else None,
        )

    def _path(self, name: str) -> Path | None:
        first, *_ = parts = name.split(".")
        if first in _NEVER:
            return None
        base = self._folder.joinpath(*parts)
        candidates = (base / "__init__.py", base.with_name(f"{base.name}.py"))
        return next((path for path in candidates if path.is_file()), None)


class _Loader(importlib.abc.Loader):
    """Executes the text that it records; nothing is cached beside the user's files."""

    def __init__(self, path: Path, name: str, files: dict[str, bytes]):
        self._path, self._name, self._files = path, name, files

    @override
    def exec_module(self, module: ModuleType) -> None:
        text = self._path.read_bytes()
        self._files[self._name] = text
        note_file(self._path)
        exec(_compiled(text, self._path), vars(module))
