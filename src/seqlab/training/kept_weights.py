"""Whether a model still has the weights that it had when training began."""

from __future__ import annotations

from torch import nn

from seqlab.experiment.state_check import tensor_kind
from seqlab.schema.own_code import OwnCodeError


class KeptWeights:
    """The parameters and buffers of a model, which must stay as many and of the same shapes.

    The optimizer moves the parameters that there were when it was made, and a checkpoint restores into a
    model that was just made.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._parameters, self._kinds = _parameters(model), _kinds(model)

    def check(self) -> None:
        """Compare the model with what it was.

        Raises:
            OwnCodeError: a parameter was exchanged, or a weight was added, removed or given another shape.
        """
        kinds, parameters = _kinds(self._model), _parameters(self._model)
        names = [name for name in {**self._kinds, **kinds} if self._kinds.get(name) != kinds.get(name)]
        names += [name for name in parameters if self._parameters.get(name) is not parameters[name]]
        if names:
            before, now = (each.get(names[0], "none") for each in (self._kinds, kinds))
            got = "another parameter" if now == before else now
            raise OwnCodeError(
                "A model must keep its parameters and buffers from the start of training to its end, with "
                f"their shapes and types. Got {got} for {names[0]!r}, at first {before}."
            )


def _parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters(remove_duplicate=False))


def _kinds(model: nn.Module) -> dict[str, str]:
    return {name: tensor_kind(tensor) for name, tensor in model.state_dict().items()}
