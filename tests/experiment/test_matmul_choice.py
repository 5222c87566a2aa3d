"""The matmul backend of a run: named, or measured once and cached."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from seqlab.experiment import matmul_choice as matmul
from seqlab.nn.matmul import ONEDNN, TORCH, named, usable
from seqlab.schema.errors import UserError, WorkError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))
    return tmp_path / "matmul.json"


def test_the_first_measurement_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [named("torch+onednn+torch"), TORCH]
    monkeypatch.setattr(matmul, "fastest", lambda: results.pop(0))
    first = matmul.choose("auto", device="cpu", threads=2)
    assert matmul.choose("auto", device="cpu", threads=2).name == first.name == "torch+onednn+torch"
    assert matmul.choose("auto", device="cpu", threads=1) is TORCH, "other threads, another measurement"
    assert sorted(json.loads(cache.read_text()).values()) == ["torch", "torch+onednn+torch"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": "y"}'])
def test_a_damaged_cache_is_measured_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    cache.write_text(content)
    monkeypatch.setattr(matmul, "fastest", lambda: TORCH)
    assert matmul.choose("auto", device="cpu", threads=2) is TORCH
    assert "torch" in json.loads(cache.read_text()).values()


def test_what_a_full_disk_and_a_killed_process_leave_is_removed(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matmul, "fastest", lambda: TORCH)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(WorkError, match=r"File too large.*name another folder by \$SEQLAB_CACHE"):
            matmul.choose("auto", device="cpu", threads=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(cache.parent.iterdir()) == []
    matmul.choose("auto", device="cpu", threads=2)
    (cache.parent / f".writing-{cache.name}-{'0' * 16}").write_text("{")
    matmul.choose("auto", device="cpu", threads=2)
    assert list(cache.parent.iterdir()) == [cache]


def test_named_backends_and_other_devices(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert matmul.choose("torch", device="cuda", threads=1) is TORCH
    assert matmul.choose("auto", device="cuda", threads=1) is TORCH
    assert not cache.exists(), "nothing was measured"
    if usable(ONEDNN):
        assert matmul.choose("onednn", device="cpu", threads=1) is ONEDNN
    with pytest.raises(UserError, match=r"'training\.matmul' must name what works here\. Got 'onednn'"):
        matmul.choose("onednn", device="cuda", threads=1)
    monkeypatch.setattr(matmul, "usable", lambda _: False)
    with pytest.raises(UserError, match=r"Nearest: 'torch'"):
        matmul.choose("onednn", device="cpu", threads=1)


def test_a_resumed_run_keeps_its_backend_if_it_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    if usable(ONEDNN):
        assert matmul.chosen("onednn+torch+onednn").name == "onednn+torch+onednn"
    assert matmul.chosen("something") is TORCH
    monkeypatch.setattr(matmul, "usable", lambda _: False)
    assert matmul.chosen("onednn") is TORCH
