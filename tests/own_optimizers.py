"""Optimizers as users write them: one that works, and wrong ones."""

# pyright: reportIncompatibleMethodOverride=false

import torch


class SignMomentum(torch.optim.Optimizer):
    """b = beta b + (1 - beta) g; w = w - lr sign(b), with a count of its steps in the state."""

    def __init__(self, params, lr=0.1, beta=0.5):
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                average = state.setdefault("average", torch.zeros_like(weight))
                state["steps"] = state.get("steps", 0) + 1
                average.lerp_(weight.grad, 1 - group["beta"])
                weight.sub_(average.sign(), alpha=group["lr"] / state["steps"] ** 0.5)


def momentum(params, lr, amount):
    return torch.optim.SGD(params, lr=lr, momentum=amount)


class CountsOutside(SignMomentum):
    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.count = 0

    def step(self, closure=None):
        self.count += 1
        for group in self.param_groups:
            group["lr"] /= self.count
        super().step()


class Grows(SignMomentum):
    """All gradients so far in one tensor, whose shape no other step has."""

    def step(self, closure=None):
        super().step()
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            if weight.grad is not None:
                past = self.state[weight].get("past", torch.zeros(0, *weight.shape))
                self.state[weight]["past"] = torch.cat([past, weight.grad[None]])


class FixedRate(SignMomentum):
    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.rate = lr

    def step(self, closure=None):
        for group in self.param_groups:
            group["lr"] = self.rate
        super().step()


class Still(SignMomentum):
    def step(self, closure=None):
        pass


class NoneMoves(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(group["lr"])


class Fails(SignMomentum):
    def step(self, closure=None):
        raise RuntimeError("no such step")


class Closure(SignMomentum):
    def step(self, closure):
        closure()


class NoRate(SignMomentum):
    def __init__(self, params, speed):
        super().__init__(params, speed)


def no_optimizer(params, lr):
    return [params, lr]


def first_only(params, lr):
    return torch.optim.SGD(params[:1], lr=lr)


def others(params, lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(2)) for _ in params], lr=lr)


class NotBegun(torch.optim.Optimizer):
    def __init__(self, params, lr):
        pass


class NoState(SignMomentum):
    def state_dict(self):
        return 5


class EndsTheProgram(SignMomentum):
    def load_state_dict(self, state):
        raise SystemExit(0)


class OtherType(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        super().step()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data = weight.data.double()
