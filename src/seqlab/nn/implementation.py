"""The implementations of layers; free of torch, because settings name them."""

from __future__ import annotations

from typing import Literal

Implementation = Literal["kernels", "torch", "equations"]
"""How the equations of a cell are computed over time; results are equal but for rounding.

kernels: by the native library where it applies and is faster, elsewhere by torch's functions.
torch: by torch's functions; `gru-reset-before`, which torch does not have, by a loop of torch's operations
    with a backward pass written by hand.
equations: step by step, each operation by torch, with torch's automatic differentiation.
"""
AttentionImplementation = Literal["torch", "equations"]
"""The same for attention, for which there are no kernels."""
