"""Settings of a model of one's own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import ModelConfig, Width
from seqlab.models.module_roles import SIZES, RolesConfig, constructor_arguments
from seqlab.schema import own_code
from seqlab.schema.code_settings import CodeText, NamesCode
from seqlab.schema.kept_defaults import kept_defaults
from seqlab.schema.own_arguments import read_parameters
from seqlab.schema.own_code import OwnCode, OwnCodeError
from seqlab.schema.seeded_generators import seeded_generators

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel


class ImportedModelConfig(ModelConfig):
    """Any torch.nn.Module: token ids to logits of each step, or of each text."""

    kind: Literal["import"] = "import"
    """Name of the model."""
    path: Annotated[CodeText, NamesCode()]
    """FILE.py:NAME of a class of torch.nn.Module, or of a function that makes a module."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the class or function; sizes of the data are given to those that are named after them,
    such as vocabulary, num_classes or padding_idx."""
    scale_by: tuple[str, ...] = ()
    """Integer arguments that make the model larger or smaller, for studies with equal numbers of
    parameters."""
    scale_step: int = Field(default=1, ge=1)
    """What the arguments of `scale_by` must be a multiple of, such as a number of heads."""
    roles: RolesConfig = RolesConfig()
    """What the arguments and outputs of `forward` are, where their names do not say it."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        return tuple(Width(f"arguments.{name}", step=self.scale_step) for name in self.scale_by)

    @override
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        import torch

        from seqlab.models.imported_model import ImportedModel
        from seqlab.models.module_probe import adapted
        from seqlab.models.module_training import check_weights

        code = own_code.load(self.path)
        _check_class(code)
        # On the CPU also where tensors are made without memory, to count them.
        seed = int(torch.randint(2**62, (), generator=generator, device="cpu"))
        module = self._module(code, constructor_arguments(code, spec, self.arguments), seed)
        check_weights(code, module)
        counted_only = torch.get_default_device().type == "meta"
        adapter = None if counted_only else adapted(code, module, spec, self.roles)
        return ImportedModel(module, adapter, causal=spec.output == "text")

    def module(self, spec: InputSpec, needed: Mapping[str, int], seed: int = 0) -> torch.nn.Module:
        """The module alone, for a checkup; a module that is made already is taken as it is.

        Args:
            spec: sizes for arguments that are named after them.
            needed: further sizes, by their names in `SIZES`, for arguments without a default.
            seed: of its weights.
        """
        import torch

        code = own_code.load(self.path)
        if isinstance(code.value, torch.nn.Module):
            return code.value
        _check_class(code)
        parameters = read_parameters(code, code.value)
        further = {
            name: size
            for key, size in needed.items()
            for name in SIZES[key]
            if name in parameters and parameters[name].default is inspect.Parameter.empty
        }
        arguments = constructor_arguments(code, spec, {**further, **self.arguments})
        return self._module(code, arguments, seed)

    def _module(self, code: OwnCode, arguments: Mapping[str, Any], seed: int) -> torch.nn.Module:
        import torch

        with seeded_generators(seed), kept_defaults(code.label), code.errors("it was made"):
            module = code.value(**arguments)
        if not isinstance(module, torch.nn.Module):
            raise OwnCodeError(f"{code.label} must give a torch.nn.Module. Got {type(module).__name__}.")
        return module


def _check_class(code: OwnCode) -> None:
    import torch

    value = code.value
    module = torch.nn.Module
    if isinstance(value, module):
        got = f"a module, {type(value).__name__}; each run makes its own, from its seed"
    elif isinstance(value, type) and not issubclass(value, module):
        got = "another class"
    else:
        return
    raise OwnCodeError(f"{code.label} must be a class of torch.nn.Module, or a function. Got {got}.")
