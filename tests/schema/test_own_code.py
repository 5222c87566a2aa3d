"""Loading code of one's own: its content, its errors in one sentence, and no traces."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqlab.schema import own_code
from seqlab.schema.errors import UserError
from seqlab.schema.own_code import OwnCodeError


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_the_content_is_the_file_and_the_modules_of_its_folder_that_it_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        mine="from helper import two\nfrom package.inner import three\ndef f():\n    return two + three\n",
        helper="two = 2\n",
        package__inner="three = 3\n",
        unused="1 / 0\n",
    )
    (tmp_path / "package" / "__init__.py").write_text("")
    code = own_code.load(f"{tmp_path}/mine.py:f")
    assert code.value() == 5
    assert set(code.files) == {"mine.py", "helper.py", "package/__init__.py", "package/inner.py"}
    digest = hashlib.sha256()
    for name in sorted(code.files):
        content = (tmp_path / name).read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    assert code.sha256 == digest.hexdigest()
    assert not {"mine", "helper", "package", "package.inner"} & set(sys.modules)
    assert not list(tmp_path.rglob("__pycache__")), "nothing is written beside the user's files"


def test_unchanged_code_is_imported_once_and_a_changed_sibling_again(tmp_path: Path) -> None:
    write(tmp_path, mine="from helper import two\nclass C:\n    two = two\n", helper="two = 2\n")
    first, same = (own_code.load(f"{tmp_path}/mine.py:C") for _ in range(2))
    assert first.value is same.value
    write(tmp_path, helper="two = 22\n")
    changed = own_code.load(f"{tmp_path}/mine.py:C")
    assert changed.value.two == 22
    assert changed.sha256 != first.sha256


def test_two_folders_may_have_modules_of_the_same_names(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(
            tmp_path / folder,
            mine="from helper import x\ndef f():\n    return x\n",
            helper=f"x = {folder!r}\n",
        )
    assert [own_code.load(f"{tmp_path}/{folder}/mine.py:f").value() for folder in ("one", "two")] == [
        "one",
        "two",
    ]


def test_a_file_of_the_folder_never_replaces_the_standard_library(tmp_path: Path) -> None:
    write(
        tmp_path, mine="import random\nimport wave\ndef f():\n    return random, wave\n", random="", wave=""
    )
    sys.modules.pop("wave", None)
    code = own_code.load(f"{tmp_path}/mine.py:f")
    assert set(code.files) == {"mine.py"}
    assert all(not str(module.__file__).startswith(str(tmp_path)) for module in code.value())


def test_classes_know_their_module(tmp_path: Path) -> None:
    """Which dataclasses need while they are made."""
    text = "from dataclasses import dataclass\n@dataclass\nclass D:\n    x: 'int' = 3\n"
    write(tmp_path, mine=text)
    assert own_code.load(f"{tmp_path}/mine.py:D").value().x == 3


@pytest.mark.filterwarnings("ignore:can't resolve package:ImportWarning")
@pytest.mark.parametrize(
    ("text", "name", "kind", "message"),
    [
        ("def f(:\n", "f", OwnCodeError, r"^mine.py:1 must be Python. Got: .*\.$"),
        ("\0", "f", OwnCodeError, r"^mine.py.* must be Python. Got: .*\.$"),
        (
            "x = 1\ny = nn.Linear\n",
            "f",
            OwnCodeError,
            r"^mine.py:2 failed while .*mine.py was imported: NameError: name 'nn' is not defined\.",
        ),
        ("import sys\nsys.exit(3)\n", "f", OwnCodeError, r"^mine.py:2 failed while .*: SystemExit: 3\.$"),
        (
            "import nothing_of_this_name\n",
            "f",
            OwnCodeError,
            r"^mine.py:1 failed .*ModuleNotFoundError: No module",
        ),
        (
            "from helper import x\n",
            "f",
            OwnCodeError,
            r"^helper.py:2 failed .*: ZeroDivisionError: division by zero\.$",
        ),
        (
            "class Net: pass\n",
            "Nett",
            UserError,
            r"^There is no class or function 'Nett' in .*mine.py. Nearest: 'Net'",
        ),
        (
            "from . import helper\n",
            "Net",
            OwnCodeError,
            r"^mine.py:1 failed .* relative import .*write `import other` for other.py of its folder",
        ),
        ("Net = 3\n", "Net", UserError, r"mine.py:Net must be a class or a function. Got int\.$"),
    ],
)
def test_errors_are_one_sentence(
    tmp_path: Path, text: str, name: str, kind: type[UserError], message: str
) -> None:
    write(tmp_path, mine=text, helper="x = 1\n1 / 0\n")
    with pytest.raises(kind, match=message):
        own_code.load(f"{tmp_path}/mine.py:{name}")


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, mine="")
    with pytest.raises(
        UserError, match=r"mein.py must be a Python file. Got no such file. Nearest: 'mine.py"
    ):
        own_code.load(f"{tmp_path}/mein.py:f")


def test_what_is_no_file_is_refused_and_is_no_hint_to_itself(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "loop.py").symlink_to("loop.py")
    os.mkfifo(tmp_path / "pipe.py")
    for name, got in (("folder", "a folder"), ("loop", "no file"), ("pipe", "no file")):
        with pytest.raises(UserError, match=rf"{name}.py must be a Python file. Got {got}\.$"):
            own_code.load(f"{tmp_path}/{name}.py:f")


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_bytes("x = 1\n".encode("utf-16"))
    with pytest.raises(OwnCodeError, match=r"^mine.py must be Python\. Got: .*null bytes\.$"):
        own_code.load(f"{tmp_path}/mine.py:f")


def test_what_fails_later_names_the_line_of_the_user(tmp_path: Path) -> None:
    write(tmp_path, mine="import json\ndef f():\n    return json.loads('{')\n")
    code = own_code.load(f"{tmp_path}/mine.py:f")
    failed = r"^mine.py:3 failed while it was tried: JSONDecodeError: .*\.$"
    with pytest.raises(OwnCodeError, match=failed), code.errors("it was tried"):
        code.value()
    with pytest.raises(UserError, match=r"^as it is$"), code.errors("it was tried"):
        raise UserError("as it is")


def test_only_file_and_name_name_code() -> None:
    assert [
        own_code.names_code(text) for text in ("a.py:B", "x/a b.py:B_1", "lstm", "a.py", "a.py:1", "a:B", 3)
    ] == [
        *(True, True),
        *(False,) * 5,
    ]
    with pytest.raises(UserError, match=r"must be written FILE.py:NAME. Got 'a.py'. Nearest: 'a.py:NAME'"):
        own_code.split("a.py")


def test_code_in_a_file_of_settings_is_relative_to_that_file(tmp_path: Path) -> None:
    table = {"model": {"path": "mine.py:Net", "hidden": 3}, "axes": {"model.cell": ["gru", "../c.py:C"]}}
    assert own_code.in_folder(table, Path("studies")) == {
        "model": {"path": "studies/mine.py:Net", "hidden": 3},
        "axes": {"model.cell": ["gru", "studies/../c.py:C"]},
    }
    assert own_code.in_folder(f"{tmp_path}/a.py:B", Path("studies")) == f"{tmp_path}/a.py:B"


def test_a_file_has_the_future_features_that_it_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        mine="def f(x: int): ...\n",
        named="from __future__ import annotations\ndef f(x: int): ...\n",
    )
    assert own_code.load(f"{tmp_path}/mine.py:f").value.__annotations__ == {"x": int}
    assert own_code.load(f"{tmp_path}/named.py:f").value.__annotations__ == {"x": "int"}


DRAWS = """
import random, numpy, torch
DRAWN = [random.random(), float(numpy.random.rand()), torch.rand(()).item()]
def drawn():
    return DRAWN
"""


def test_a_file_draws_the_same_at_each_import_and_leaves_generators_as_they_were(tmp_path: Path) -> None:
    write(tmp_path, mine=DRAWS)
    seeded = "import torch; torch.manual_seed(5)"
    draw = "print(random.random(), numpy.random.rand(), torch.rand(()).item())"
    load = "from seqlab.schema import own_code; print(own_code.load('mine.py:drawn').value())"

    def printed(first: str, then: str) -> list[str]:
        program = f"import random, numpy; random.seed(3); numpy.random.seed(4); {first}\n{then}\n{draw}"
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    of_file, *after = printed(seeded, load)
    assert after == printed(seeded, "")
    assert of_file == printed("", f"{load}; import torch")[0]
