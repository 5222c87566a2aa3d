"""Checkpoints with right checks, but not what this run would write: refused with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.seal import unseal
from seqlab.runs.typed_json import to_json
from seqlab.schema.errors import UserError
from seqlab.training import run as training

ADAM = ("training.checkpoint_seconds=0", "training.optimizer.kind=adam")
STATE = "optimizer.state.0.exp_avg"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        return tiny.broken_off(tiny.BRACKETS, *ADAM, step=3)


@pytest.fixture
def newest(stopped: RunFolder) -> Iterator[Path]:
    """The newest checkpoint; the run is restored after the test."""
    path = checkpoints.checkpoints(stopped.checkpoints)[-1]
    before = {file: file.read_bytes() for file in path.iterdir()}
    yield path
    for file, content in before.items():
        file.write_bytes(content)


def sign(path: Path) -> None:
    """Compute the checks of a checkpoint's files again."""
    file = path / "manifest.json"
    manifest = json.loads(unseal(file.read_text())[0])
    manifest["files"] = {name: checkpoints._describe(path / name) for name in manifest["files"]}
    file.write_text(to_json(manifest, checkpoints._subject(path)))


def tensors(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    content = load_file(path / "training.safetensors")
    change(content)
    save_file({name: tensor.contiguous() for name, tensor in content.items()}, path / "training.safetensors")
    sign(path)


def counters(path: Path, keys: str, value: Any) -> None:
    """Set a value; `keys` are joined by dots."""
    content = inner = json.loads((path / "training.json").read_text())
    *outer, last = keys.split(".")
    for key in outer:
        inner = inner[key]
    inner[last] = value
    (path / "training.json").write_text(json.dumps(content))
    sign(path)


def refused(run: RunFolder) -> str:
    with pytest.raises(UserError) as error:
        training.resume(run, callback=tiny.Nobody())
    assert "Internal" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update({STATE: t[STATE].double()}), "float32. Got tensor"),
        (lambda t: t.update({STATE: t[STATE].long()}), "int64"),
        (lambda t: t.update({STATE: t[STATE].T}), f"{STATE!r} must be tensor"),
        (lambda t: t.update({STATE: t[STATE][:1]}), f"{STATE!r} must be tensor"),
        (lambda t: t.update({"optimizer.state.0.step": torch.zeros(3)}), "must be tensor () float32"),
        (lambda t: t.pop(STATE), "KeyError"),
        (lambda t: t.update({"generator.dropout": torch.zeros(5)}), "must hold what seqlab writes"),
        (lambda t: t.pop("generator.dropout"), "KeyError: 'generator.dropout'"),
        (
            lambda t: t.update({"averaging.weight.a": torch.zeros(2)}),
            "must have 0 weights. Got 1",
        ),
        (lambda t: t.update({"averaging.start": torch.ones(1)}), "without a state must get none. Got start"),
        (lambda t: t.update({"carried.h": torch.zeros(2, 4)}), "there must be a carried state"),
    ],
)
def test_tensors_of_another_kind(
    stopped: RunFolder, newest: Path, change: Callable[[dict[str, Tensor]], object], words: str
) -> None:
    tensors(newest, change)
    assert words in refused(stopped)


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        ("counters.progress.step", "3", "'counters.progress.step' must be a valid integer. Got '3'"),
        ("counters.progress.step", -1, "'counters.progress.step' must be greater than or equal to 0"),
        ("counters.progress.batch", 10**6, "'batch' must be one of the"),
        ("counters.progress.batches_in_epoch", 99, "'batches_in_epoch' must be"),
        ("counters.progress.best_step", 99, "'best_step' must be at most 'step'"),
        ("counters.progress.best_value", "0", "must be a valid number. Got '0'"),
        ("counters.progress.stopped", None, "must be a valid string. Got None"),
        ("counters.progress.interval", {}, "'counters.progress.interval.nats' is missing"),
        ("counters.progress.more", 1, "'counters.progress.more' is unknown"),
        ("counters.schedule", {"factor": 1.0}, "a schedule without a state must get none. Got factor"),
        ("counters", None, "'counters' must be"),
        ("aliases", {"a": 1}, "'aliases.a' must be a valid string. Got 1"),
        ("optimizer", {"dict": []}, "'optimizer.state' is missing"),
        ("optimizer", 1, "'optimizer' must be dict. Got int"),
    ],
)
def test_counters_that_no_run_has(
    stopped: RunFolder, newest: Path, keys: str, value: Any, words: str
) -> None:
    counters(newest, keys, value)
    assert words in refused(stopped)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("lr", 1, "must be float. Got int"),
        ("betas", {"tuple": [0.9]}, "must have 2 values. Got 1"),
        ("betas", {"tuple": [0.9, "x"]}, "must be float. Got str"),
        ("eps", None, "must be float. Got NoneType"),
    ],
)
def test_settings_of_the_optimizer_of_another_type(
    stopped: RunFolder, newest: Path, name: str, value: Any, words: str
) -> None:
    content = json.loads((newest / "training.json").read_text())
    (groups,) = [pair[1] for pair in content["optimizer"]["dict"] if pair[0] == "param_groups"]
    groups[0]["dict"] = [[key, value if key == name else old] for key, old in groups[0]["dict"]]
    counters(newest, "optimizer", content["optimizer"])
    assert f"'optimizer.param_groups.0.{name}" in (sentence := refused(stopped))
    assert words in sentence


def test_a_checkpoint_that_is_signed_again_is_sound(stopped: RunFolder, newest: Path) -> None:
    tensors(newest, lambda _: None)
    assert checkpoints.verify(newest, stopped.fingerprint)["step"] == int(newest.name[5:])
