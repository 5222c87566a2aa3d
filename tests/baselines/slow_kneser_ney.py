"""Interpolated modified Kneser-Ney, written with dictionaries from Chen and Goodman's equations (1998)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence


class SlowKneserNey:
    """Texts begin with their start token, which is never predicted; every token after it is."""

    def __init__(self, texts: Sequence[Sequence[int]], vocabulary: int, order: int):
        self.vocabulary, self.order = vocabulary, order
        occurrences: Counter[tuple[int, ...]] = Counter()
        beginnings: Counter[tuple[int, ...]] = Counter()
        before: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for text in texts:
            for last in range(1, len(text)):
                for first in range(max(0, last - order + 1), last + 1):
                    gram = tuple(text[first : last + 1])
                    occurrences[gram] += 1
                    if first == 0:
                        beginnings[gram] += 1
                    else:
                        before[gram].add(text[first - 1])
        self.a = {
            gram: n if len(gram) == order else len(before[gram]) + beginnings[gram]
            for gram, n in occurrences.items()
        }
        self.discounts = {k: self._discounts(k) for k in range(1, order + 1)}

    def _discounts(self, k: int) -> list[float]:
        counts = [a for gram, a in self.a.items() if len(gram) == k]
        n1, n2, n3, n4 = (counts.count(c) for c in (1, 2, 3, 4))
        if 0 in (n1, n2, n3, n4):
            return [0.0, 0.5, 1.0, 1.5]
        y = n1 / (n1 + 2 * n2)
        found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        if not all(0 < d < c for c, d in enumerate(found, start=1)):
            found = [0.5, 1.0, 1.5]
        return [0.0, *found]

    def probability(self, token: int, history: Sequence[int]) -> float:
        """Probability of a token after a history of any length."""
        kept = tuple(history)[-(self.order - 1) :] if self.order > 1 else ()
        return self._interpolated(token, kept)

    def _interpolated(self, token: int, history: tuple[int, ...]) -> float:
        lower = self._interpolated(token, history[1:]) if history else 1 / self.vocabulary
        following = [
            self.a[*history, other] for other in range(self.vocabulary) if (*history, other) in self.a
        ]
        if not following:
            return lower
        discount = self.discounts[len(history) + 1]
        taken = sum(discount[min(a, 3)] for a in following)
        a = self.a.get((*history, token), 0)
        return (max(0.0, a - discount[min(a, 3)]) + taken * lower) / sum(following)
