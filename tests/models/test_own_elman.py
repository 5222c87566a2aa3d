"""The courses' own Elman layer, and the classifier with it, compared with a literal torch module."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from seqlab.data.batch import unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.recurrent_classifier import RecurrentClassifierConfig
from seqlab.nn.implementation import Implementation

V, E, H, F, C = 11, 4, 6, 5, 2


class OwnElman(nn.Module):
    """h_t = tanh(Linear([x_t, h])); the outputs are a second linear map of the states."""

    def __init__(self, inputs: int, units: int, outputs: int):
        super().__init__()
        self.units = units
        self.first, self.second = nn.Linear(inputs + units, units), nn.Linear(units, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, inputs) -> (B, T, outputs)."""
        h, outputs = x.new_zeros(len(x), self.units), []
        for t in range(x.shape[1]):
            h = torch.tanh(self.first(torch.cat((x[:, t], h), dim=1)))
            outputs.append(self.second(h))
        return torch.stack(outputs, dim=1)


class OwnClassifier(nn.Module):
    """Embedding -> own layer -> ReLU -> max over time -> Linear, for texts of one length."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.layer, self.head = nn.Embedding(V, E), OwnElman(E, H, F), nn.Linear(F, C)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.relu(self.layer(self.embedding(tokens))).max(dim=1).values)


def weights_of(own: OwnClassifier) -> dict[str, Tensor]:
    """Its weights by the names that they have in the classifier of the package."""
    first, second = own.layer.first, own.layer.second
    return {
        "embedding.weight": own.embedding.weight,
        "body.weight_ih_l0": first.weight[:, :E],
        "body.weight_hh_l0": first.weight[:, E:],
        "body.bias_ih_l0": first.bias,
        "linear.weight": second.weight,
        "linear.bias": second.bias,
        "head.weight": own.head.weight,
        "head.bias": own.head.bias,
    }


@pytest.mark.parametrize("implementation", get_args(Implementation))
def test_logits_and_gradients_equal_those_of_a_literal_module(implementation: Implementation) -> None:
    config = RecurrentClassifierConfig(
        cell="elman-concat",
        embedding_size=E,
        hidden_size=H,
        linear_size=F,
        implementation=implementation,
    )
    model = config.build(InputSpec(vocabulary=V, outputs=C), torch.Generator().manual_seed(0)).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        own = OwnClassifier().double()
    model.load_state_dict(weights_of(own))

    # Texts of unequal lengths in one batch, and each alone.
    texts = [[1, 2, 3, 4, 5, 9], [6, 7], [8, 9, 10]]
    padded = torch.tensor([text + [0] * (6 - len(text)) for text in texts])
    lengths = torch.tensor([len(text) for text in texts])
    found = model(unlabelled(Padded(padded, lengths)))[0]
    wanted = torch.cat([own(torch.tensor([text])) for text in texts])
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)

    direction = torch.tensor([[0.3, -1.1], [0.7, 0.2], [-0.4, 0.9]], dtype=torch.float64)
    (found * direction).sum().backward()
    (wanted * direction).sum().backward()
    assert own.layer.first.weight.grad is not None
    into, recurrent = own.layer.first.weight.grad.split([E, H], dim=1)
    wanted_gradients = {
        name: tensor.grad for name, tensor in weights_of(own).items() if tensor.grad_fn is None
    } | {"body.weight_ih_l0": into, "body.weight_hh_l0": recurrent}
    found_gradients = {name: weight.grad for name, weight in model.named_parameters()}
    assert found_gradients.keys() == wanted_gradients.keys()
    for name, gradient in found_gradients.items():
        torch.testing.assert_close(gradient, wanted_gradients[name], rtol=1e-9, atol=1e-12)
