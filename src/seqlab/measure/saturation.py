"""How much of a recurrent network saturates: gates near 0 and 1, states of a tanh near -1 and 1."""

from __future__ import annotations

from seqlab.measure.diagnosis import DiagnosedSplit, Diagnosis
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of, evaluating
from seqlab.nn.gates import GATE_ENDS, TANH_ENDS
from seqlab.nn.trace import traceable, traced
from seqlab.runs.cards import SATURATION
from seqlab.schema.errors import UserError
from seqlab.schema.records import Matrix
from seqlab.tasks.task import Task

COLUMNS = ("low end", "high end")
UNIT = "fraction of activations; row: activation, column: end of its range"


def diagnose(model: SequenceModel, task: Task, data: DiagnosedSplit) -> Diagnosis:
    """The share of activations at either end of their range, over all tokens and units, by layer and gate.

    Gates are logistic functions, saturated below 0.1 and above 0.9 (Karpathy, Johnson and Fei-Fei 2016); the
    state of an Elman net is a tanh, below -0.9 and above 0.9. They are recomputed by the equations of the
    cell from inputs and states, with dropout off.

    Raises:
        UserError: the model has no recurrent layers whose cell has gates or a tanh as its state.
    """
    batch = data.rows.to(device_of(model))
    with evaluating(model), traced(model):
        stacks = traceable(model)
        if stacks:
            model.features(batch, None)
        found = [each for stack in stacks.values() for each in stack.bounded_activations()]
        found = [(layer, one) for layer, one in found if one.values.numel()]
        shares = {f"layer {layer}, {one.name}": one.saturated for layer, one in found}
        gated = any(one.ends == GATE_ENDS for _, one in found)
    if not shares:
        raise UserError(
            "Saturation needs a model with recurrent layers of seqlab's whose cell has gates or a tanh as "
            "its state (elman, gru, lstm), and at least one token."
        )
    low, high = GATE_ENDS if gated else TANH_ENDS
    sentences = [
        f"{row[:1].upper()}{row[1:]}: {100 * below:.1f} % below {low:g}, {100 * above:.1f} % above {high:g}"
        for row, (below, above) in shares.items()
    ]
    matrix = Matrix(
        name=SATURATION,
        rows=tuple(shares),
        columns=COLUMNS,
        values=tuple(shares.values()),
        unit=UNIT,
        split=data.name,
    )
    return Diagnosis([matrix], sentences)
