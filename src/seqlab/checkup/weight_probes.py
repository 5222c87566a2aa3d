"""Probes of weights: tied ones stay tied, what is saved is what is loaded."""

from __future__ import annotations

import copy

import torch
from torch import nn

from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.subject import Subject

TIES = (
    "tie_weights",
    "tied",
    "tie",
    "tie_word_embeddings",
    "tie_embeddings",
    "share_embeddings",
    "weight_tying",
    "tied_weights",
)


def tied_weights_stay(subject: Subject) -> Finding:
    """Weights that are one tensor are one after `.to`, a copy, and `load_state_dict`; promised ties exist."""
    module = subject.original
    pairs = _shared(module)
    copied_table = _copied_table(module)
    promised = copied_table or (not pairs and _promised(module))
    if not pairs and not promised:
        raise NotApplicableError("no two weights are one")
    if promised:
        return broken(
            f"{promised}{', but are not' if copied_table else ' is true, but no two are'} one tensor.",
            cause="the weight is copied instead of shared, or replaced after it was tied",
            fix="self.output.weight = self.embedding.weight  # the last line of __init__",
            counter_example=promised,
            submodule="forward",
        )
    copied = copy.deepcopy(module).cpu()
    copied.load_state_dict({name: value.clone() for name, value in module.state_dict().items()})
    moved = copied.double()
    lost = [pair for pair in pairs if not _is_shared(moved, pair)]
    if not lost:
        return sound(f"{len(pairs)} pairs of tied weights stay tied when they are loaded and moved.")
    return broken(
        f"{lost[0][0]} and {lost[0][1]} share their numbers, but not after they are copied, moved or loaded.",
        cause="a new nn.Parameter around the same numbers, or `.data` that was assigned",
        fix="self.output.weight = self.embedding.weight  # the Parameter itself",
        deviation=float(len(lost)),
        counter_example=" and ".join(lost[0]),
        submodule=lost[0][0].rpartition(".")[0],
    )


def saved_equals_loaded(subject: Subject) -> Finding:
    """f(x; θ) stays the same when θ is saved, changed and loaded: the state dict holds all that acts."""
    module = subject.module
    expected = subject.outputs(subject.batch)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        for value in (*module.parameters(), *module.buffers()):
            if value.is_floating_point() and value.numel():
                value.mul_(0.5)
    module.load_state_dict(state)
    found = subject.outputs(subject.batch)
    scale = max(expected.abs().max().item(), 1e-30)
    distance = (expected - found).abs().max().item() / scale
    unsaved = [name for name, _ in module.named_buffers() if name not in state]
    if distance <= subject.tolerance or unsaved:
        return sound("Loaded weights give the outputs of the saved ones.", distance, subject.tolerance)
    return broken(
        f"After its weights are saved and loaded, outputs differ by {distance:.1e} of the largest.",
        cause="a weight that the state dict does not hold, or that loading overwrites",
        fix="self.register_buffer('name', tensor)",
        deviation=distance,
        tolerance=subject.tolerance,
        submodule="forward",
    )


def _shared(module: nn.Module) -> list[tuple[str, str]]:
    """Pairs of names of parameters that have the same numbers in memory."""
    first: dict[tuple[int, int], str] = {}
    pairs = []
    for name, weight in module.named_parameters(remove_duplicate=False):
        if not weight.numel():
            continue
        key = (weight.data_ptr(), weight.numel())
        if key in first:
            pairs.append((first[key], name))
        first.setdefault(key, name)
    return pairs


def _copied_table(module: nn.Module) -> str:
    """An embedding and a linear layer with equal numbers in two tensors, as a clause; "" if there is none."""
    layers = [*module.named_modules()]
    for name, table in layers:
        if not isinstance(table, nn.Embedding) or table.weight.numel() < 4 or table.weight.std() == 0:
            continue
        for other, layer in layers:
            if isinstance(layer, nn.Linear) and layer.weight.shape == table.weight.shape:
                weight = layer.weight
                if weight.data_ptr() != table.weight.data_ptr() and torch.equal(weight, table.weight):
                    return f"{name}.weight and {other}.weight have the same numbers"
    return ""


def _is_shared(module: nn.Module, pair: tuple[str, str]) -> bool:
    weights = dict(module.named_parameters(remove_duplicate=False))
    return weights[pair[0]].data_ptr() == weights[pair[1]].data_ptr()


def _promised(module: nn.Module) -> str:
    """The setting of the module that says that weights are tied; "" if there is none."""
    owners = [*module.modules(), *(getattr(each, "config", None) for each in module.modules())]
    return next((name for owner in owners for name in TIES if getattr(owner, name, None) is True), "")
