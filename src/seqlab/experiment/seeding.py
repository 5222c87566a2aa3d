"""Random generators by purpose: each is derived from the run's seed and the name of its purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def global_generator(seed: int, device: torch.device) -> Iterator[dict[str, torch.Generator]]:
    """The global generators of torch, seeded inside the block and as before after it, by their names.

    Modules of one's own draw from them, such as `torch.nn.Dropout`.
    """
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        generators = {"global": torch.default_generator}
        if devices:
            generators["global-cuda"] = torch.cuda.default_generators[devices[0]]
        for name, each in generators.items():
            each.manual_seed(derive(seed, name))
        yield generators
