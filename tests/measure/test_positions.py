import statistics

import numpy as np
import torch

from seqlab.measure.metric import Scored
from seqlab.measure.positions import LossPerPosition
from seqlab.schema.records import Curve


def curves(nats, positions, pieces=1) -> list[Curve]:
    metric = LossPerPosition("token")
    for part in np.array_split(np.arange(len(nats)), pieces):
        index = torch.from_numpy(part)
        column = nats[index]
        metric.update(Scored(column, column.unsqueeze(1), positions[index] * 0, positions[index]))
    found = metric.records("train")
    assert all(isinstance(curve, Curve) for curve in found)
    return [curve for curve in found if isinstance(curve, Curve)]


def test_means_and_standard_errors_are_those_of_the_standard_library():
    random = np.random.default_rng(0)
    nats = torch.from_numpy(1e6 + random.exponential(size=(500, 7)))
    positions = torch.arange(7).expand(500, 7)
    mean, error, targets = curves(nats.flatten(), positions.flatten(), pieces=13)
    assert mean.x == error.x == targets.x == (1, 2, 3, 4, 5, 6, 7)
    assert targets.y == (500,) * 7
    np.testing.assert_allclose(mean.y, nats.mean(dim=0), rtol=1e-12)
    expected = [statistics.stdev(column) / 500**0.5 for column in nats.T.tolist()]
    np.testing.assert_allclose(error.y, expected, rtol=1e-6)


def test_positions_without_targets_are_left_out():
    mean, error, targets = curves(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([4, 4, 9]))
    assert (mean.x, mean.y) == ((5, 10), (2, 5))
    assert (error.x, error.y) == ((5,), (1,))
    assert (targets.x, targets.y, targets.y_unit) == ((5, 10), (2, 1), "tokens")
    assert error.name == "loss_per_position_standard_error"


def test_one_target_has_no_standard_error():
    mean, targets = curves(torch.tensor([1.5]), torch.tensor([0]))
    assert mean.y == (1.5,)
    assert mean.y_unit == "nats per token"
    assert mean.x_unit == "position in the text, from 1"
    assert targets.y == (1,)
