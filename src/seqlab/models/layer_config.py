"""Settings of a layer in a list of layers; free of torch until one is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from seqlab.schema.config import Config

if TYPE_CHECKING:
    import torch

    from seqlab.nn.layer import Layer


class LayerConfig(Config, ABC):
    """Settings of a layer.

    Subclasses: a `build`, and one line in `layer_kinds.py`.

    drops: it does nothing but drop something in training.
    recurrent: it has the weights of a language model's recurrent layers.
    free: settings that its weights do not depend on.
    """

    drops: ClassVar[bool] = False
    recurrent: ClassVar[bool] = False
    free: ClassVar[tuple[str, ...]] = ()
    kind: str
    """Name of the layer."""

    @property
    @abstractmethod
    def reads(self) -> int:
        """The steps that a sequence must be able to have, so that all weights of the layer are used."""

    @abstractmethod
    def steps_after(self, steps: int) -> int:
        """The steps that it makes of so many."""

    @abstractmethod
    def build(self, inputs: int, generator: torch.Generator) -> Layer:
        """The layer with weights drawn from the generator; its dropout has no generator yet.

        Args:
            inputs: features of each step that it reads.
            generator: source of every initial weight.

        Raises:
            UserError: a setting does not fit the others.
        """


class StepwiseLayerConfig(LayerConfig, ABC):
    """Settings of a layer that has one output for each step."""

    @property
    def reads(self) -> int:
        """One step."""
        return 1

    def steps_after(self, steps: int) -> int:
        """As many."""
        return steps
