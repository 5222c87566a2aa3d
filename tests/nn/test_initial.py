from __future__ import annotations

import pytest
import torch

from seqlab.nn.initial import linear, normal_embedding, output_layer, uniform_embedding
from seqlab.schema.errors import UserError


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    first, same, other = (linear(9, 4, generator=random(seed)).weight for seed in (1, 1, 2))
    uniform_embedding(5, 3, bound=0.1, generator=random())
    normal_embedding(5, 3, std=1.0, generator=random())
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_bounds():
    layer = linear(100, 400, generator=random())
    assert 0.099 < layer.weight.abs().max() <= 0.1
    assert 0.095 < layer.bias.abs().max() <= 0.1
    layer = linear(100, 400, generator=random(), bound=0.5, bias_bound=0.0)
    assert 0.49 < layer.weight.abs().max() <= 0.5
    assert not layer.bias.any()
    assert 0.29 < uniform_embedding(100, 40, bound=0.3, generator=random()).weight.abs().max() <= 0.3
    assert normal_embedding(100, 400, std=0.3, generator=random()).weight.std().item() == pytest.approx(
        0.3, rel=0.02
    )


def test_linear_is_a_linear_map():
    layer, x = linear(3, 2, generator=random()), torch.randn(4, 3, generator=random(1))
    torch.testing.assert_close(layer(x), x @ layer.weight.T + layer.bias)


def test_embedding_is_trained():
    assert uniform_embedding(5, 3, bound=0.1, generator=random()).weight.requires_grad


def test_tied_head_has_the_embeddings_weights():
    table = uniform_embedding(5, 3, bound=0.1, generator=random())
    head = output_layer(3, 5, bound=0.1, tied=table, generator=random())
    assert head.weight is table.weight
    assert not head.bias.any()


def test_tied_head_requires_one_output_per_token():
    table = uniform_embedding(5, 3, bound=0.1, generator=random())
    with pytest.raises(UserError, match=r"equal numbers of outputs and input tokens. Got 2 outputs, 5 input"):
        output_layer(3, 2, bound=0.1, tied=table, generator=random())
