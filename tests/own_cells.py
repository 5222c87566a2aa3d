"""Cells as users write them: two that the package has, too, and wrong ones."""

import torch


def minimal_gated_unit(x, h, u):
    """f = s(W_f x + U_f h), n = tanh(W_n x + U_n (f * h)), h_t = (1 - f) * h + f * n; Zhou et al. 2016."""
    f = torch.sigmoid(x.f + u.f(h))
    n = torch.tanh(x.n + u.n(f * h))
    return (1 - f) * h + f * n


def gru_reset_before(x, h, u):
    r = torch.sigmoid(x.r + u.r(h))
    z = torch.sigmoid(x.z + u.z(h))
    n = torch.tanh(x.n + u.n(r * h))
    return h + z * (n - h)


class Lstm:
    def step(self, x, h, c, u):
        i, f, g, o = x.i + u.i(h), x.f + u.f(h), x.g + u.g(h), x.o + u.o(h)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


def wrong_shape(x, h, u):
    return torch.tanh(x.n + u.n(h)).sum(1)


def mixes_rows(x, h, u):
    return torch.tanh(x.n + u.n(h)).softmax(0)


def fails(x, h, u):
    return torch.tanh(x.n + u.n(h) @ h)


def no_state(x, u):
    return x.n


def no_gates(x, h, u):
    return h


class NoStep:
    pass
