"""The adaptive softmax compared with torch's: values, every gradient, empty clusters, invalid input."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from seqlab.nn.adaptive_softmax import AdaptiveSoftmax
from seqlab.nn.fused_head import fused_loss, linear_cross_entropy
from seqlab.nn.native import builds
from seqlab.schema.errors import UserError

H, V, CUTOFFS, DIVISOR = 19, 23, (4, 11), 3


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def head(
    inputs: int = H, outputs: int = V, cutoffs: tuple[int, ...] = CUTOFFS, divisor: int = DIVISOR
) -> AdaptiveSoftmax:
    made = AdaptiveSoftmax(inputs, outputs, cutoffs, divisor=divisor, bound=0.5, generator=random())
    with torch.no_grad():  # so that the bias, which begins at 0, acts
        made.head.bias.uniform_(-1, 1, generator=random(1))
    return made


def torch_s(ours: AdaptiveSoftmax, divisor: int = DIVISOR) -> nn.AdaptiveLogSoftmaxWithLoss:
    theirs = nn.AdaptiveLogSoftmaxWithLoss(
        ours.in_features, ours.outputs, list(ours.cutoffs), div_value=divisor, head_bias=True
    ).to(ours.head.weight.dtype)
    theirs.load_state_dict(ours.state_dict())
    return theirs


def features(N: int, inputs: int = H) -> Tensor:
    return torch.randn(N, inputs, generator=random(2), dtype=torch.float64)


def gradients(loss: Tensor, module: nn.Module, x: Tensor, *, unused: bool = False) -> dict[str, Tensor]:
    """By name; with `unused` those of weights that the loss does not depend on are zeros, not an error."""
    names, weights = zip(*module.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, (*weights, x), materialize_grads=unused)
    return dict(zip((*names, "features"), found, strict=True))


@pytest.mark.parametrize("cutoffs", [(1,), (22,), (4, 11), (4, 5, 22)])
def test_losses_and_gradients_are_those_of_torch(cutoffs: tuple[int, ...]) -> None:
    ours = head(cutoffs=cutoffs, divisor=2).double()
    theirs, x = torch_s(ours, divisor=2), features(40).requires_grad_()
    targets = torch.randint(V, (40,), generator=random(3))
    expected = theirs(x, targets)
    torch.testing.assert_close(ours(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.nats(x, targets), -expected.output)
    loss = ours.cross_entropy(x, targets)
    torch.testing.assert_close(loss, 40 * expected.loss)
    found = gradients(3 * loss, ours, x)
    wanted = gradients(3 * 40 * expected.loss, theirs, x, unused=True)
    assert found.keys() == wanted.keys()
    for name in found:
        torch.testing.assert_close(found[name], wanted[name], msg=name)


@pytest.mark.parametrize("kernels", builds.available_builds())
def test_the_loss_in_float32_has_the_gradients_of_float64(kernels: str) -> None:
    """With the native library, whose loss of a small layer is one call."""
    ours, exact = head(), head().double()
    targets = torch.randint(V, (50,), generator=random(3))
    x, y = features(50).float().requires_grad_(), features(50).requires_grad_()
    with builds.use_build(kernels):
        loss = ours.cross_entropy(x, targets)
        found = gradients(loss, ours, x)
    wanted = gradients(exact.nats(y, targets).sum(), exact, y)
    assert loss.item() == pytest.approx(exact.nats(y, targets).sum().item(), rel=1e-6)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient.double(), wanted[name], rtol=1e-4, atol=1e-5)


@given(
    cutoffs=st.sets(st.integers(1, V - 1), min_size=1, max_size=3),
    N=st.integers(0, 12),
    seed=st.integers(0, 99),
    lowest=st.integers(0, V - 1),
)
def test_every_loss_is_minus_the_log_probability(cutoffs: set[int], N: int, seed: int, lowest: int) -> None:
    """For any clusters and any targets, also where some clusters, or all, have none."""
    ours, x = head(cutoffs=tuple(sorted(cutoffs)), divisor=2).double(), features(N)
    targets = torch.randint(lowest, V, (N,), generator=random(seed))
    log_p = ours(x)
    assert log_p.shape == (N, V)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(N, dtype=torch.float64))
    nats = -log_p.gather(1, targets.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(ours.nats(x, targets), nats)
    torch.testing.assert_close(ours.cross_entropy(x, targets), nats.sum())
    torch.testing.assert_close(functional.cross_entropy(log_p, targets, reduction="none"), nats)


def test_smoothing_spreads_probability_over_all_outputs() -> None:
    """The definition, with the uniform distribution over all outputs."""
    ours, x, targets = head().double(), features(9), torch.arange(9) * 2
    log_p = ours(x)
    wanted = -0.8 * log_p.gather(1, targets.unsqueeze(1)).sum() - 0.2 * log_p.mean(1).sum()
    torch.testing.assert_close(ours.cross_entropy(x, targets, label_smoothing=0.2), wanted)


def test_clusters_without_targets_have_gradients_of_zero() -> None:
    ours, x = head(), features(6).float().requires_grad_()
    found = gradients(ours.cross_entropy(x, torch.tensor([0, 1, 2, 3, 3, 10])), ours, x)
    assert {name for name, gradient in found.items() if not gradient.any()} == {
        "tail.1.0.weight",
        "tail.1.1.weight",
    }
    none = gradients(ours.cross_entropy(x[:0], torch.zeros(0, dtype=torch.int64)), ours, x)
    assert not any(gradient.any() for gradient in none.values())


def test_a_cluster_reads_its_own_targets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, rows = head(), list[tuple[int, int]]()
    for k, size in enumerate((7, 12)):
        projection = ours.get_submodule(f"tail.{k}.0")
        projection.register_forward_hook(lambda m, x, y, size=size: rows.append((size, len(y))))
    monkeypatch.setattr(ours, "forward", None)
    targets = torch.tensor([0, 4, 10, 3, 5, 22])
    for loss in (ours.cross_entropy, ours.nats):
        rows.clear()
        loss(features(6).float(), targets)
        assert rows == [(7, 3), (12, 1)]


def test_any_leading_axes() -> None:
    ours, x = head().double(), features(12)
    torch.testing.assert_close(ours(x.view(3, 4, H)), ours(x).view(3, 4, V))


def test_frequent_outputs_cost_parameters_and_rare_ones_few() -> None:
    counted = sum(weight.numel() for weight in head().parameters())
    assert counted == 19 * 6 + 6 + (19 * 6 + 6 * 7) + (19 * 2 + 2 * 12)


def test_weights_are_drawn_from_the_bound() -> None:
    made = AdaptiveSoftmax(64, 300, (100,), divisor=2, bound=0.2, generator=random())
    for name, weight in made.named_parameters():
        assert not weight.any() if name == "head.bias" else 0.19 < weight.abs().max() <= 0.2


@pytest.mark.parametrize("cutoffs", [(), (0, 3), (3, 3), (5, 3), (3, V), (V + 4,)])
def test_cutoffs_must_cut_the_outputs(cutoffs: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"Cutoffs must ascend within 1 to 22\. Got \["):
        head(cutoffs=cutoffs)


def test_a_projection_must_have_features() -> None:
    with pytest.raises(UserError, match=r"'outputs' must be at least 1. Got 0"):
        head(inputs=8, divisor=3)


@pytest.mark.parametrize("target", [-1, V])
def test_targets_must_be_outputs(target: int) -> None:
    ours = head().double()
    for loss in (ours.cross_entropy, ours.nats):
        with pytest.raises(UserError, match=rf"Targets must be within 0 to {V - 1}\. Got {target}\."):
            loss(features(2), torch.tensor([3, target]))


def test_which_heads_have_a_loss_of_their_own() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    x, targets, linear = features(5).float(), torch.arange(5), nn.Linear(H, V)
    assert fused_loss(Doubled(H, V)) is fused_loss(nn.Identity()) is None
    for module, wanted in (
        (linear, linear_cross_entropy(x, linear.weight, linear.bias, targets)),
        (ours := head(), ours.nats(x, targets).sum()),
    ):
        loss = fused_loss(module)
        assert loss is not None
        torch.testing.assert_close(loss(features=x, targets=targets), wanted)
