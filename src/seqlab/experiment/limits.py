"""Sizes that an experiment asks for, estimated before they exist and refused where memory is smaller.

Every estimate is from below: it counts what must be in memory at once, and nothing that may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from seqlab.experiment.averaging import AveragingConfig
from seqlab.experiment.optimizers import OptimizerConfig, check_no_closure
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import ModelConfig
from seqlab.runs.memory import require_memory
from seqlab.schema.config import plain
from seqlab.schema.own_code import OwnCodeError
from seqlab.schema.settings import format_setting

if TYPE_CHECKING:
    from torch.overrides import TorchFunctionMode

    from seqlab.data.batching import Batching
    from seqlab.data.dataset import Split

FLOAT, TOKEN, TEXT = 4, 16, 200
"""Bytes: of a float32 number; of a generated token, which is an integer and a random draw; of a text."""
_DRAWS = ("normal_", "uniform_", "trunc_normal_", "xavier_normal_", "kaiming_normal_", "orthogonal_")
"""Functions that draw a weight in place."""
_UNKNOWN = 1 << 80
"""More parameters than any machine holds, where their number is too large for an integer of torch."""


def check_texts(count: int, length: int, what: str) -> None:
    """Check the texts that are generated together.

    Args:
        count: texts.
        length: tokens of each, at most; there is memory for all of them from the start.
        what: the settings that ask for them.

    Raises:
        UserError: they need more memory than there is.
    """
    require_memory(count * (length * TOKEN + TEXT), what)


def check_model(
    model: ModelConfig, optimizer: OptimizerConfig, averaging: AveragingConfig, spec: InputSpec | None = None
) -> None:
    """Check weights, their gradients, their average, and what the optimizer keeps of each weight.

    Args:
        model: what is built.
        optimizer: what moves it.
        averaging: which average of its weights is kept.
        spec: sizes of inputs and outputs; None, before the data is read: the smallest that may be.

    Raises:
        UserError: they need more memory than there is, or the optimizer cannot be used.
    """
    count = count_parameters(model, spec or _smallest(model))
    if count is None:
        return
    lists = {key: value if isinstance(value, list) else [value] for key, value in plain(model).items()}
    sizes = {key: values for key, values in lists.items() if values and {type(v) for v in values} == {int}}
    largest = sorted(sizes, key=lambda key: -max(sizes[key]))
    settings = " ".join(f"model.{key}={format_setting(sizes[key])}" for key in largest)
    number = "over 10^24 parameters" if count >= _UNKNOWN else f"{count:,} parameters"
    copies = 2 + averaging.copies + state_size(optimizer)
    require_memory(count * copies * FLOAT, f"{settings}, {number} with gradients and optimizer state")


def _smallest(model: ModelConfig) -> InputSpec:
    tokens = model.least_tokens
    return InputSpec(vocabulary=tokens, outputs=tokens, source_vocabulary=2, numbers=((0.0,), (1.0,)))


def count_parameters(model: ModelConfig, spec: InputSpec) -> int | None:
    """The number of a model's parameters, without memory for them; None where it cannot be known."""
    import torch

    try:
        with torch.device("meta"), _without_draws():
            built = model.build(spec, torch.Generator())
    except OverflowError:
        return _UNKNOWN
    except OwnCodeError:
        # Code of one's own may need numbers, or larger sizes; whether it works is found out when it is built.
        return None
    except (RuntimeError, TypeError) as error:
        return _UNKNOWN if "overflow" in str(error).lower() else None
    return sum(parameter.numel() for parameter in built.parameters())


def _without_draws() -> TorchFunctionMode:
    """Weights stay as they are made inside the block: to draw none takes seconds on the device `meta`."""
    from torch.overrides import TorchFunctionMode

    class WithoutDraws(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            drawn = args[0] if args else kwargs.get("tensor")
            return drawn if func.__name__ in _DRAWS else func(*args, **kwargs)

    return WithoutDraws()


def state_size(optimizer: OptimizerConfig) -> int:
    """Numbers that an optimizer keeps of each weight, found with a step on a small one.

    Raises:
        UserError: the optimizer cannot be used for training.
    """
    import torch

    weight = torch.nn.Parameter(torch.zeros(8, 8))
    weight.grad = torch.zeros(8, 8)
    built = optimizer.build([weight])
    check_no_closure(built)
    built.step()
    kept = [value for value in built.state.get(weight, {}).values() if isinstance(value, torch.Tensor)]
    return sum(value.numel() for value in kept) // weight.numel()


def check_batches(splits: Iterable[Split], batching: Batching, features: int) -> None:
    """Check the features of every token of the largest batch, and their gradients.

    Args:
        splits: what is learned from.
        batching: the settings that cut them.
        features: of a token at the end of the model.

    Raises:
        UserError: they need more memory than there is.
    """
    tokens = max(batching.most_tokens(split.text.lengths) for split in splits)
    settings = " ".join(f"batching.{key}={value}" for key, value in plain(batching).items())
    require_memory(
        tokens * features * 2 * FLOAT,
        f"a batch of {tokens:,} tokens with {settings}",
        "Nearest: smaller batches, or shorter texts (`data.max_length` cuts those of your own).",
    )
