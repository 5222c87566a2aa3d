"""How far back a loss reaches: its gradient with respect to the hidden states before it.

Legend: B rows, T steps, H features of a state, L layers, D distances from 0 to the longest row's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.data.sequences import length_mask
from seqlab.measure.diagnosis import DiagnosedSplit, Diagnosis
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of, evaluating, unfrozen
from seqlab.nn.padding import flip_rows
from seqlab.nn.trace import traced
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Record, Scalar
from seqlab.tasks.task import Task

NAME, OF_MEAN, HORIZON = "gradient_through_time", "mean_gradient_through_time", "gradient_horizon"
"""Of records; each is followed by `_layer_1` for the layer next to the input, and so on."""
SMALL = 0.01
"""Share of the norm at distance 0 under which a gradient counts as gone."""


@dataclass(frozen=True)
class ThroughTime:
    """Gradients of each layer by their distance from the last position, in nats per unit of the state.

    norms: for each layer (D,) norm of each row's dL_T/dh_(T - distance), averaged over the rows that reach so
        far back.
    of_mean: for each layer (D,) norm of the gradient that is averaged over these rows first: what is left
        when rows pull in different directions.
    rows: for each layer (D,) how many these are.
    """

    norms: Sequence[NDArray[np.float64]]
    of_mean: Sequence[NDArray[np.float64]]
    rows: Sequence[NDArray[np.int64]]

    @property
    def horizons(self) -> list[int | None]:
        """See `horizon`; one for each layer."""
        return [horizon(norms) for norms in self.norms]


def gradient_through_time(model: SequenceModel, task: Task, batch: Batch) -> ThroughTime:
    """The gradient of the loss at each row's last position, with respect to every state before it.

    The loss is the task's for training: of a language model that of the row's last target alone, of a
    classifier that of the text. h_t is what the layer reads of step t at other steps (see `Trace`): of an
    LSTM h, not c; of both directions at once where there are two. Dropout is off, the rows begin without a
    state, and the parameters' `grad` stays as it is.

    Raises:
        UserError: the model has no layers that read along time, or no row has a token.
    """
    batch = batch.to(device_of(model))
    check_layers(model)
    last = batch.last_targets
    if not len(last[0]):
        raise UserError("A gradient through time needs at least one token. Got rows without any.")
    # What is below a frozen layer has states, too.
    with evaluating(model), unfrozen(model), torch.enable_grad(), traced(model) as traces:
        features, _ = model.features(batch, None)
        loss, _ = task.loss(model.head, features[last], batch.target_values[last])
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        torch.autograd.grad(loss, parameters, allow_unused=True)
    layers = [
        _by_distance(gradient, trace.lengths) for trace in traces.values() for gradient in trace.gradients
    ]
    norms, of_mean, rows = zip(*layers, strict=True)
    return ThroughTime(norms, of_mean, rows)


def check_layers(model: SequenceModel) -> None:
    """Whether a gradient through time exists.

    Raises:
        UserError: the model has no layers that read along time.
    """
    with traced(model) as traces:
        if not traces:
            raise UserError(
                "A gradient through time needs a model with recurrent layers or attention of seqlab's, whose "
                "states it can read. `seqlab list models` shows them; equations of your own run in such a "
                "layer as model.cell=FILE.py:NAME."
            )


def horizon(norms: Float[np.ndarray, " D"]) -> int | None:
    """The smallest distance from which on all norms are under 1 % of the first; None if the last is not.

    >>> horizon(np.array([1.0, 0.5, 0.001, 0.02, 0.009, 0.001]))
    4
    """
    gone = np.logical_and.accumulate((norms < SMALL * norms[0])[::-1])[::-1]
    return int(gone.argmax()) if gone.any() else None


def diagnose(model: SequenceModel, task: Task, data: DiagnosedSplit) -> Diagnosis:
    """See `diagnose_rows`."""
    return diagnose_rows(model, task, data.rows, data.name)


def diagnose_rows(model: SequenceModel, task: Task, batch: Batch, split: str) -> Diagnosis:
    """`gradient_through_time` as records: curves of both norms and the horizon of each layer, if it has one.

    A norm beyond the range of floating point is left out of the curve.
    """
    found = gradient_through_time(model, task, batch)
    records: list[Record] = []
    sentences: list[str] = []
    for layer, (norms, of_mean, distance) in enumerate(
        zip(found.norms, found.of_mean, found.horizons, strict=True), start=1
    ):
        curves = [(NAME, norms), (OF_MEAN, of_mean)]
        records += [_curve(f"{name}_layer_{layer}", values, split) for name, values in curves]
        sentences.append(_sentence(layer, norms, distance))
        if distance is not None:
            name = f"{HORIZON}_layer_{layer}"
            records.append(Scalar(name=name, value=float(distance), unit="tokens", split=split))
    return Diagnosis(records, sentences)


def _sentence(layer: int, norms: NDArray[np.float64], distance: int | None) -> str:
    if not np.isfinite(norms).all():
        return f"Layer {layer}: too large for a number from {np.isfinite(norms).argmin()} tokens back"
    if distance is None:
        return f"Layer {layer}: not under 1 % within {len(norms) - 1} tokens"
    return f"Layer {layer}: under 1 % from {distance} tokens back"


def _curve(name: str, values: NDArray[np.float64], split: str) -> Curve:
    there = np.flatnonzero(np.isfinite(values))
    return Curve(
        name=name,
        x=tuple(there.astype(float).tolist()),
        y=tuple(values[there].tolist()),
        x_unit="tokens before the last",
        y_unit="norm, nats per unit of the state",
        split=split,
    )


def _by_distance(
    gradient: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    longest = int(lengths.max())
    rows = length_mask(lengths, longest).sum(0)
    back = flip_rows(gradient, lengths)[:, :longest].double()
    norms = back.norm(dim=2).sum(0) / rows
    of_mean = (back.sum(0) / rows.unsqueeze(1)).norm(dim=1)
    return norms.cpu().numpy(), of_mean.cpu().numpy(), rows.cpu().numpy()
