"""`seqlab completion`: scripts that the shells themselves accept, and what bash completes with them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from seqlab.cli import run
from seqlab.cli.app import SHELLS, app


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_accepts_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "seqlab" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def _completed(words: list[str], script: str) -> set[str]:
    """What bash offers for the last of these words."""
    line = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _seqlab; echo "${{COMPREPLY[@]}}"'
    ended = subprocess.run(["bash"], input=f"{script}\n{ask}", text=True, capture_output=True, check=True)
    return set(ended.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_and_options() -> None:
    script = app.generate_completion(prog_name="seqlab", shell="bash")
    assert _completed(["seqlab", "tr"], script) == {"train"}
    assert "--file" in _completed(["seqlab", "predict", "--f"], script)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bsh"]) == 2
    assert "Nearest: 'bash'" in capsys.readouterr().err
