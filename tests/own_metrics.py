"""Metrics as users write them: ones that work, and wrong ones."""

# pyright: reportFunctionMemberAccess=false

import torch


def quadratic(targets, probabilities):
    """sum_k (p_k - [k = target])^2; Brier 1950."""
    expected = torch.nn.functional.one_hot(targets, probabilities.shape[1])
    return (probabilities - expected).square().sum(1)


quadratic.better = "lower"
quadratic.unit = "squared distance"


class Hits:
    """The share of right predictions, counted."""

    better = "higher"

    def __init__(self):
        self.hits, self.all = 0, 0

    def update(self, targets, predictions):
        self.hits += (targets == predictions).sum().item()
        self.all += len(targets)

    def value(self):
        return self.hits / self.all


def absolute_error(predictions, targets):
    return abs(predictions - targets)


absolute_error.better = "lower"


def changes_its_inputs(targets, logits):
    logits.zero_()
    targets.fill_(1)
    return targets


changes_its_inputs.better = "lower"


def doubt(targets, probabilities):
    """1 - p(target), of which much is wanted here: the best checkpoint is the worst one."""
    return [1 - float(row[target]) for row, target in zip(probabilities, targets, strict=True)]


doubt.better = "higher"


def undecided(targets):
    return targets


def mean(targets):
    return targets.double().mean()


mean.better = "lower"


def batch_share(targets, probabilities):
    return probabilities[:, 0] / probabilities[:, 0].sum()


batch_share.better = "lower"


def asks(targets, hidden):
    return targets


asks.better = "lower"


def fails(targets):
    return targets.nothing()


fails.better = "lower"


def loss(targets):
    return targets


loss.better = "lower"


class NoValue:
    better = "lower"

    def update(self, targets):
        pass


class NotFinite:
    better = "lower"

    def update(self, targets):
        pass

    def value(self):
        return float("nan")


class Table:
    better = "lower"

    def update(self, targets):
        pass

    def value(self):
        return [1, 2]


def complex_numbers(targets):
    return targets * 1j


complex_numbers.better = "lower"


class Text:
    better = "lower"

    def update(self, targets):
        pass

    def value(self):
        return "3"


class HugeNumber:
    better = "lower"

    def update(self, targets):
        pass

    def value(self):
        return 10**400


def long_unit(targets):
    return targets


long_unit.better = "lower"
long_unit.unit = "u" * 1000


def odd_unit(targets):
    return targets


odd_unit.better = "lower"
odd_unit.unit = "\ud800"


class Unreadable(type):
    @property
    def better(cls):
        raise KeyError("better")


class NoAttribute(metaclass=Unreadable):
    pass
