from __future__ import annotations

import pytest
import torch
from torch import nn

from seqlab.nn.dropout import LEAST_ELEMENTS, Dropout, bind_generator
from seqlab.nn.native.builds import REFERENCE, active_library, available_builds, use_build
from seqlab.nn.native.random_masks import dropped
from seqlab.schema.errors import UserError


def bound(p: float, seed: int = 0, *, whole: bool = False) -> Dropout:
    dropout = Dropout(p, whole=whole)
    bind_generator(dropout, torch.Generator().manual_seed(seed))
    return dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_keeps_the_mean_and_drops_the_fraction_p(p):
    y = bound(p)(torch.ones(400, 500))
    assert y.mean().item() == pytest.approx(1.0, abs=0.03)
    assert (y == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 1 / (1 - p)))


def test_mask_comes_from_the_generator_alone():
    x = torch.ones(30, 7)
    before = torch.get_rng_state()
    assert torch.equal(bound(0.5, seed=1)(x), bound(0.5, seed=1)(x))
    assert not torch.equal(bound(0.5, seed=1)(x), bound(0.5, seed=2)(x))
    assert torch.equal(before, torch.get_rng_state())
    mask = torch.rand(30, 7, generator=torch.Generator().manual_seed(1)) >= 0.5
    assert torch.equal(bound(0.5, seed=1)(x) != 0, mask)


def test_gradient_is_the_mask():
    x = torch.randn(30, 7, generator=torch.Generator().manual_seed(3)).requires_grad_()
    y = bound(0.25)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(y, x * gradient)


@pytest.mark.parametrize("build", [build for build in available_builds() if build != REFERENCE])
def test_the_library_drops_many_elements(build):
    """One seed from the generator decides the mask, for every build and for any strides."""
    x = torch.randn(LEAST_ELEMENTS // 256, 256, generator=torch.Generator().manual_seed(3))
    with use_build(build):
        once, again, other = (bound(0.25, seed=seed)(x) for seed in (1, 1, 2))
        transposed = bound(0.25, seed=1)(x.t().contiguous().t())
        module = bound(0.25, seed=1)
        assert torch.equal(module(x), once)
        assert not torch.equal(module(x), once), "the next call has another mask"
    assert torch.equal(once, again)
    assert torch.equal(once, transposed)
    assert not torch.equal(once, other)
    seed = int(torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(1)))
    assert torch.equal(once, dropped(active(), x, 0.25, seed))


@pytest.mark.skipif(active_library() is None, reason="the library is not available")
def test_gradients_of_many_elements_have_the_same_mask():
    x = torch.randn(LEAST_ELEMENTS, generator=torch.Generator().manual_seed(3)).requires_grad_()
    weights = torch.randn(LEAST_ELEMENTS, generator=torch.Generator().manual_seed(4)).requires_grad_()
    y = bound(0.25)(x)
    (gradient,) = torch.autograd.grad(y, x, weights, create_graph=True)
    mask = (y != 0) / 0.75
    torch.testing.assert_close(gradient, weights * mask)
    (second,) = torch.autograd.grad(gradient.sum(), weights)
    torch.testing.assert_close(second, mask)


def active():
    library = active_library()
    assert library is not None
    return library


def test_whole_vectors_are_dropped_or_kept():
    x = torch.randn(300, 40, 3, generator=torch.Generator().manual_seed(3)).requires_grad_()
    y = bound(0.3, whole=True)(x)
    kept = (y != 0).all(dim=2)
    assert torch.equal(kept, (y != 0).any(dim=2))
    assert kept.double().mean().item() == pytest.approx(0.7, abs=0.01)
    # Each token of each sequence is drawn alone.
    assert kept.any(0).all()
    assert kept.any(1).all()
    torch.testing.assert_close(y, x * kept.unsqueeze(2) / 0.7)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, (kept / 0.7).unsqueeze(2).expand_as(x))
    assert repr(bound(0.3, whole=True)) == "Dropout(p=0.3, whole)"


def test_is_the_identity_in_evaluation_and_at_zero():
    x = torch.ones(3, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.5, whole=True).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_one_generator_is_bound_to_all_dropouts_of_a_model():
    model = nn.Sequential(Dropout(0.5), nn.Sequential(Dropout(0.5)))
    generator = torch.Generator().manual_seed(0)
    bind_generator(model, generator)
    dropouts = [module for module in model.modules() if isinstance(module, Dropout)]
    assert len(dropouts) == 2
    assert all(dropout.generator is generator for dropout in dropouts)


def test_training_without_a_generator_is_refused():
    with pytest.raises(UserError, match=r"must have a generator: call bind_generator.* Got None"):
        Dropout(0.5)(torch.ones(2))


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_p_must_be_within_its_range(p):
    with pytest.raises(UserError, match=rf"at least 0 and less than 1. Got {p}"):
        Dropout(p)
