"""Random generators by purpose: each is derived from the run's seed and the name of its purpose."""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, purpose: str, *numbers: int) -> int:
    """A seed of 63 bits for one purpose and, for example, one epoch, independent of those of other purposes.

    >>> derive(1, "order", 0) == derive(1, "order", 0), derive(1, "order", 0) == derive(1, "order", 1)
    (True, False)
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{numbers}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str, *numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one purpose, on the device that needs its draws."""
    return torch.Generator(device).manual_seed(derive(seed, purpose, *numbers))
