"""docs/own-code.md and docs/checkup.md show the files of the examples, as they are."""

from __future__ import annotations

import ast
import re

import pytest
from pages import ROOT

PAGE = "\n".join(
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("own-code", "checkup")
)
FILES = dict(re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL))


def test_every_example_is_shown() -> None:
    assert set(FILES) == {path.name for path in (ROOT / "examples").glob("*.py")}


@pytest.mark.parametrize("name", FILES)
def test_an_example_is_shown_without_its_first_docstring(name: str) -> None:
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    about = ast.get_docstring(ast.parse(text))
    assert about is not None
    assert text.removeprefix(f'"""{about}"""').lstrip("\n") == FILES[name]
    command = about.partition(": ")[2].removesuffix(".")
    assert command.removeprefix("seqlab ") in PAGE
