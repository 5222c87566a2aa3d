"""Settings that training changes for the whole process are restored after it."""

from __future__ import annotations

import sys

import pytest
import torch

from seqlab.experiment.numerics import numerics
from seqlab.schema.errors import UserError


def flushes() -> bool:
    """Python's own numbers are float64, whose smallest normal one is 2.2e-308."""
    return sys.float_info.min / 2 == 0


@pytest.mark.parametrize("before", [False, True])
def test_threads_and_denormals_are_restored(before: bool) -> None:
    threads = torch.get_num_threads()
    torch.set_flush_denormal(before)
    try:
        with numerics("cpu", threads + 1) as device:
            assert device.type == "cpu"
            assert torch.get_num_threads() == threads + 1
            assert flushes()
        assert flushes() == before
        with pytest.raises(KeyError), numerics("cpu", None):
            raise KeyError
        assert flushes() == before
    finally:
        torch.set_flush_denormal(False)
    assert torch.get_num_threads() == threads


def test_wrong_device_or_threads() -> None:
    with pytest.raises(UserError, match=r"'threads' must be at least 1\. Got 0\."), numerics("cpu", 0):
        pass
    with (
        pytest.raises(UserError, match=r"'device' must be one this machine has\. Got 'gpu'"),
        numerics("gpu", None),
    ):
        pass
