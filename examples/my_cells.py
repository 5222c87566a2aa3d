"""A recurrent cell of one's own: seqlab train brackets-lstm model.cell=my_cells.py:minimal_gated_unit."""

import torch


def minimal_gated_unit(x, h, u):
    """One gate decides what is forgotten and what is new; Zhou et al. 2016."""
    f = torch.sigmoid(x.f + u.f(h))
    n = torch.tanh(x.n + u.n(f * h))
    return (1 - f) * h + f * n
