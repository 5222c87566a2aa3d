"""Integrated gradients (Sundararajan, Taly and Yan 2017). Legend: R rows, T tokens, E features, W words.

With x (T, E) the embedded tokens of a text and F what is explained of the model's output, the effect of
token t is

    sum_e x_te * integral from 0 to 1 of dF/dx_te (a x) da,

the integral along the straight line from vectors of zeros to those of the text. The effects of all tokens add
up to F(x) - F(0); Gauss-Legendre quadrature over the steps, captum's, leaves a gap, which is measured.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.evaluate.explainer import Explainer, Floats, Integers, WordEffects, explained, summed
from seqlab.evaluate.text_predictor import TextPredictor
from seqlab.evaluate.word_groups import NO_WORD, ReadText
from seqlab.experiment.numerics import numerics
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of
from seqlab.schema.errors import UserError
from seqlab.schema.extras import require

FIRST_STEPS, MOST_STEPS = 32, 1024
"""Steps that are taken first, and doubled until the gap is within the tolerance; and at most."""
TOLERANCE = 0.01
"""Largest gap, as a share of the sum of the effects without their signs."""
TOKENS_AT_ONCE = 20_000
"""Tokens of all steps that are read together, at most; more where one text alone has them."""
MOST_TOKENS = 50_000
"""Tokens of a text, at most: all of them are in memory with their gradients."""
_PROBED = 32
"""Tokens of the text by which a model is tried."""


class IntegratedGradients(Explainer):
    """The gradient with respect to embedded tokens, integrated from vectors of zeros to those of the text.

    The vector of padding would be no better a baseline than zeros: padding is known by the lengths of texts,
    so that its vector is never learned.
    """

    meaning = (
        "An effect is the share of the word in the difference between the value and the value of the "
        "baseline, a text of equal length whose words are embedded as zeros. Effects add up to that "
        "difference, but for the gap of the numerical integral, at most 1 % of the effects without their "
        "signs unless a warning says otherwise."
    )
    reason: ClassVar[str] = "The model has a gradient with respect to its embedded words."

    def __init__(self, loaded: TextPredictor, steps: int | None):
        super().__init__(loaded, steps)
        if steps is not None and not 1 <= steps <= MOST_STEPS:
            nearest = 1 if steps < 1 else MOST_STEPS
            raise UserError(f"'steps' must be from 1 to {MOST_STEPS}. Got {steps}. Nearest: {nearest}.")
        self._of = loaded.one_model()
        require("explain", "The method 'integrated-gradients'")
        self._steps = FIRST_STEPS if steps is None else steps
        self._check_gradient()

    @override
    def effects(self, read: ReadText, output: int) -> WordEffects:
        tokens = read.tokens
        if len(tokens) > MOST_TOKENS:
            raise UserError(
                f"A text must have at most {MOST_TOKENS:,} tokens to be explained. Got {len(tokens):,}."
            )
        if not len(tokens):
            value = float(explained(torch.from_numpy(self.loaded.without(read, [NO_WORD])), output))
            return WordEffects(np.zeros(0), value, value)
        with numerics(device_of(self._of.model).type, None):
            return self._integrated(_Line(self._of.model, tokens, output), read)

    def _integrated(self, line: _Line, read: ReadText) -> WordEffects:
        """With twice as many steps until the gap is within the tolerance."""
        steps = self._steps
        while True:
            found = _word_effects(line, read, steps)
            if steps >= MOST_STEPS or (found.gap or 0.0) <= found.tolerance:
                return found
            steps = min(2 * steps, MOST_STEPS)

    def _check_gradient(self) -> None:
        """Make sure that a model's output has a gradient with respect to its embedded tokens.

        Raises:
            UserError: it has none.
        """
        size = min(_PROBED, self._of.max_length or _PROBED)
        tokens = np.arange(size, dtype=np.int64) % self._of.vocabulary
        line = _Line(self._of.model, tokens[::-1].copy(), 0)
        vectors = line.vectors.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(line.values(vectors).sum(), vectors, allow_unused=True)
        if gradient is None:
            raise UserError(
                "A model must use the vectors of its embedded tokens, so that its output has a gradient with "
                "respect to them. Got one that does not."
            )


class _Line:
    """The vectors of a text, and what is explained at points between them and zeros."""

    def __init__(self, model: SequenceModel, tokens: Integers, output: int):
        self._model, self._output = model, output
        self._tokens = torch.from_numpy(tokens).to(device_of(model))
        with torch.no_grad():
            self.vectors: Float[Tensor, "1 T E"] = self._model.token_vectors(self._batch(1)).detach()

    def values(self, vectors: Float[Tensor, "R T E"]) -> Float[Tensor, " R"]:
        """What is explained for each row of vectors."""
        return explained(self._model.from_vectors(self._batch(len(vectors)), vectors), self._output)

    def token_effects(self, steps: int) -> Floats:
        """The effect of each token, (T,)."""
        from captum.attr import IntegratedGradients as Integral

        rows = max(1, TOKENS_AT_ONCE // len(self._tokens))
        found = Integral(self.values).attribute(self.vectors, n_steps=steps, internal_batch_size=rows)
        return found.detach().double().sum(dim=2).squeeze(0).cpu().numpy()

    def _batch(self, rows: int) -> Batch:
        T = len(self._tokens)
        lengths = torch.full((rows,), T, dtype=torch.int64, device=self._tokens.device)
        return unlabelled(Padded(self._tokens.expand(rows, T).contiguous(), lengths))


def _word_effects(line: _Line, read: ReadText, steps: int) -> WordEffects:
    effects = line.token_effects(steps)
    with torch.no_grad():
        value, baseline = (float(line.values(end)) for end in (line.vectors, torch.zeros_like(line.vectors)))
    tolerance = TOLERANCE * float(np.abs(effects).sum())
    return WordEffects(summed(effects, read), value, baseline, steps, tolerance)
