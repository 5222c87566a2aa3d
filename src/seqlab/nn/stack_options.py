"""What recurrent layers may have beside their cells; free of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StackOptions:
    """Options of a stack of recurrent layers; without any, a layer reads what the one before it gives.

    locked: whether the steps of a sequence share the mask of the dropout between layers (Gal and Ghahramani
        2016).
    weight_drop: share dropped of the recurrent weights U of each layer, drawn once for a forward pass, so
        that all steps have the same; the others are multiplied by 1 / (1 - share) (Merity et al. 2018).
    layer_norm, residual: what is between the layers; see `connection.Connection`.
    learned_start: whether the state before the first step is learned, one for all sequences; zeros at first.
    """

    locked: bool = False
    weight_drop: float = 0.0
    layer_norm: bool = False
    residual: bool = False
    learned_start: bool = False


PLAIN_STACK = StackOptions()
