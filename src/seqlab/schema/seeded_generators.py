"""The global generators of random numbers, from which code of the user's own may draw."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def seeded_generators(seed: int = 0) -> Iterator[None]:
    """Generators of Python, numpy and torch start from a seed in the block, and are as before after it."""
    # Here and not above, because this package is imported where torch is not needed. But not by the block
    # itself either: a new process draws torch's first seed at random.
    torch: Any = importlib.import_module("torch")
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
