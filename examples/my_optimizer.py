"""An optimizer: training.optimizer.kind=import training.optimizer.path=my_optimizer.py:Lion."""

import torch


class Lion(torch.optim.Optimizer):
    """w = w - lr sign(β1 m + (1 - β1) g); m = β2 m + (1 - β2) g; Chen et al. 2023."""

    def __init__(self, params, lr, beta1=0.9, beta2=0.99):
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2})

    @torch.no_grad()
    def step(self, closure=None):
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                update = momentum.lerp(weight.grad, 1 - group["beta1"]).sign()
                weight.sub_(update, alpha=group["lr"])
                momentum.lerp_(weight.grad, 1 - group["beta2"])
