"""Errors of the user's own code, whatever class they are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.schema import own_code
from seqlab.schema.own_errors import OwnCodeError, describe, is_out_of_memory, named_errors

RAISED = {
    "SystemExit(0)": "SystemExit: 0",
    "GeneratorExit()": "GeneratorExit",
    "BaseException('b')": "BaseException: b",
    "BaseExceptionGroup('g', [KeyboardInterrupt()])": "BaseExceptionGroup: g",
    "ValueError('a memory cell')": "ValueError: a memory cell",
    "Mute()": "Mute",
}
CODE = """class Mute(Exception):
    def __str__(self):
        raise KeyError

def fails():
    raise {error}

def works():
    return 1
"""


@pytest.mark.parametrize("error", RAISED)
def test_whatever_code_raises_is_one_sentence_with_its_line(tmp_path: Path, error: str) -> None:
    (tmp_path / "mine.py").write_text(CODE.format(error=error))
    code = own_code.load(f"{tmp_path}/mine.py:fails")
    message = rf"^mine\.py:6 failed while it was tried: {RAISED[error]}"
    with pytest.raises(OwnCodeError, match=message), code.errors("it was tried"):
        code.value()
    with pytest.raises(OwnCodeError, match=rf"^mine\.py:6 failed: {RAISED[error]}"), named_errors():
        code.value()


@pytest.mark.parametrize("error", RAISED)
def test_whatever_an_import_raises_is_one_sentence(tmp_path: Path, error: str) -> None:
    (tmp_path / "mine.py").write_text(CODE.format(error=error) + "\nfails()\n")
    with pytest.raises(OwnCodeError, match=rf"^mine\.py:6 failed while .* was imported: {RAISED[error]}"):
        own_code.load(f"{tmp_path}/mine.py:works")


def test_errors_that_pass_no_file_of_the_user_stay_as_they_are() -> None:
    with pytest.raises(KeyError, match="ours"), named_errors():
        raise KeyError("ours")


def test_an_interrupt_is_none_of_the_codes_errors(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE.format(error="KeyboardInterrupt()"))
    code = own_code.load(f"{tmp_path}/mine.py:fails")
    with pytest.raises(KeyboardInterrupt), named_errors(), code.errors("it was tried"):
        code.value()


def test_only_what_the_system_raises_is_a_lack_of_memory() -> None:
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert is_out_of_memory(ImportError("failed to map segment from shared object"))
    assert not is_out_of_memory(ValueError("the memory cell is out of memory"))
    assert describe(MemoryError()) == "MemoryError."


def test_defaults_of_torch_are_as_before_an_import(tmp_path: Path) -> None:
    import torch

    for statement in (
        "set_default_dtype(torch.float64)",
        "set_default_device('meta')",
        "set_grad_enabled(False)",
    ):
        (tmp_path / "mine.py").write_text(f"import torch\ntorch.{statement}\ndef f():\n    pass\n")
        with pytest.raises(
            OwnCodeError, match=r"^mine\.py must not change torch's defaults.*Got torch\.float"
        ):
            own_code.load(f"{tmp_path}/mine.py:f")
        assert torch.zeros(1).dtype is torch.float32
        assert torch.zeros(1).device.type == "cpu"
        assert torch.is_grad_enabled()
