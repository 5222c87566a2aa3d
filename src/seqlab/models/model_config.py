"""Settings of a model; free of torch until one is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from seqlab.models.input_spec import InputSpec
from seqlab.models.transfer import Transfer
from seqlab.schema.code_settings import CodeText, NamesCode
from seqlab.schema.config import AddedLater, Config, parse, plain

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel

CellName = Literal["elman", "elman-concat", "elman-relu", "gru", "gru-reset-before", "lstm"]
CellSetting = Annotated[CellName | CodeText, NamesCode()]
"""A cell by its name, or one of one's own as FILE.py:NAME; see `seqlab.nn.own_cell`."""
TokenDropout = Annotated[float, Field(ge=0, lt=1), AddedLater()]
OwnDropout = Annotated[float | None, Field(ge=0, lt=1), AddedLater()]
"""A share of its own at one of the points where a model drops; None is that of all of them."""


class Width:
    """A size of a model: the settings that have it, all of them a multiple of `step`.

    A key is one of the model's, or `arguments.NAME`.
    """

    def __init__(self, *keys: str, step: int = 1):
        self.keys, self.step = keys, step


class ModelConfig(Config, ABC):
    """Settings of a model.

    Subclasses: one file each, with a `build` that composes layers, and one line in `model_kinds.py`.
    """

    kind: str
    """Name of the model."""

    @property
    @abstractmethod
    def widths(self) -> tuple[Width, ...]:
        """The sizes that make the model larger or smaller, coarse ones first."""

    @property
    def least_tokens(self) -> int:
        """Tokens that a vocabulary has at least, or the model is refused."""
        return 2

    def at(self, width: Width, size: int) -> ModelConfig:
        """The same model with another size of one of its `widths`."""
        table = plain(self)
        for key in width.keys:
            name, _, rest = key.partition(".")
            table[name] = {**table.get(name, {}), rest: size} if rest else size
        return parse(type(self), table)

    @property
    def transfer(self) -> Transfer | None:
        """The run whose weights training starts from, and what it must be; None draws all weights."""
        return None

    @abstractmethod
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        """The model with weights drawn from the generator, from the side of the input to that of the output.

        Its dropouts have no generator yet: see `seqlab.nn.dropout.bind_generator`.

        Args:
            spec: sizes of inputs and outputs.
            generator: source of every initial weight.

        Raises:
            UserError: the model does not fit the data.
        """
