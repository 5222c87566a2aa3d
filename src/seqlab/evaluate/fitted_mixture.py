"""An ensemble of language models: their probabilities are mixed token by token.

Legend: M members, N targets, V outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seqlab.evaluate.fitted import ScoringProgress, split_of
from seqlab.evaluate.member_ensemble import MemberEnsemble
from seqlab.evaluate.mixture_weights import fit_shares
from seqlab.evaluate.prediction import Floats
from seqlab.measure.evaluate import tally
from seqlab.measure.item_collector import ItemCollector, SplitResult
from seqlab.measure.metric import Scored
from seqlab.measure.metric_kinds import METRICS

FITTED_ON = "valid"
"""The split on which weights are fitted."""


class FittedMixture(MemberEnsemble):
    """The mixture p(w) = sum_m s_m p_m(w) of language models that read one running text, each as it does."""

    @override
    def fit(self, progress: ScoringProgress | None = None) -> Sequence[float] | None:
        if not self.config.fits_weights:
            return None
        self.weigh(fit_shares(self._nats(FITTED_ON, progress)).tolist())
        return self.shares

    @override
    def score(
        self,
        split: str,
        metrics: Sequence[str],
        progress: ScoringProgress | None = None,
        *,
        outputs: bool = False,
    ) -> SplitResult:
        dense = outputs or any(METRICS[key].reads == "outputs" for key in metrics)
        items, unit, labels = ItemCollector(None), self.task.unit, self.task.labels
        scores = self.token_scores(split, outputs=dense, progress=progress)
        with torch.no_grad():
            pieces = ((torch.zeros_like(scored.targets), scored) for scored in scores)
            records = tally(pieces, unit=unit, labels=labels, split=split, metrics=metrics, items=items)
        return SplitResult(records, items.scores())

    @override
    def token_scores(
        self, split: str, *, outputs: bool, progress: ScoringProgress | None = None
    ) -> Iterator[Scored]:
        split_of(self.dataset, split)
        for scored in self._side_by_side(split, outputs=outputs, progress=progress):
            yield mixed(scored, self.shares, outputs=outputs)

    @property
    @override
    def has_positions(self) -> bool:
        return False

    @override
    def context(self, split: str) -> str:
        contexts = dict.fromkeys(member.context(split) for member in self.members)
        return f"{super().context(split)}: {'; '.join(contexts)}"

    def _nats(self, split: str, progress: ScoringProgress | None) -> Floats:
        """-ln of the probability that each member gives each token, (M, N)."""
        with torch.no_grad():
            scores = self._side_by_side(split, outputs=False, progress=progress)
            parts = [torch.stack([each.nats.double() for each in scored]) for scored in scores]
        return torch.cat(parts, dim=1).numpy()

    def _side_by_side(
        self, split: str, *, outputs: bool, progress: ScoringProgress | None
    ) -> Iterator[list[Scored]]:
        """The same tokens by each member, some at a time; the first one reports the progress."""
        reports = [progress, *[None] * (len(self.members) - 1)]
        return aligned(
            [
                member.token_scores(split, outputs=outputs, progress=report)
                for member, report in zip(self.members, reports, strict=True)
            ]
        )


def aligned(streams: Sequence[Iterator[Scored]]) -> Iterator[list[Scored]]:
    """The same targets of every stream at a time, however each of them is cut."""
    parts: list[Scored | None] = [next(stream, None) for stream in streams]
    while found := [part for part in parts if part is not None]:
        count = min(len(part.targets) for part in found)
        heads = [_part(part, slice(count)) for part in found]
        assert len(found) == len(streams), "tokenizers and texts of the members are equal"
        assert all(torch.equal(head.targets, heads[0].targets) for head in heads), "so are the targets"
        yield heads
        parts = [
            next(stream, None) if len(part.targets) == count else _part(part, slice(count, None))
            for stream, part in zip(streams, found, strict=True)
        ]


def mixed(scored: Sequence[Scored], shares: Sequence[float], *, outputs: bool) -> Scored:
    """The same targets by the weighted mean of the probabilities.

    With `outputs`, logits are the logarithms of the mean, float64, else (N, 0).
    """
    nats = -_log_mean([-each.nats.double() for each in scored], shares)
    if not outputs:
        return replace(scored[0], nats=nats, logits=nats.new_empty(len(nats), 0))
    logits = _log_mean([each.logits.double().log_softmax(1) for each in scored], shares)
    return replace(scored[0], nats=nats, logits=logits)


def _log_mean(logs: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """The logarithm of the weighted mean of numbers with these logarithms."""
    weighted = [log + np.log(share) for log, share in zip(logs, shares, strict=True) if share > 0]
    return torch.stack(weighted).logsumexp(0)


def _part(scored: Scored, part: slice) -> Scored:
    """Some of the targets, on the CPU: members may be on different devices."""
    tensors = (scored.nats, scored.logits, scored.targets, scored.positions)
    return Scored(*(tensor[part].cpu() for tensor in tensors))
