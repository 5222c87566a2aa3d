"""Samples held against the language they should be of: exact shares, and why the wrong ones are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqlab.languages.language import END, FormalLanguage, Wrong

LONGEST = 5
"""Wrong samples that are explained."""


@dataclass(frozen=True)
class Sample:
    """What a model wrote, its prompt in front; `complete` is false where it did not end in time."""

    text: str
    complete: bool


@dataclass(frozen=True)
class Judgement:
    """Shares of all samples unless another whole is named.

    valid: ended, and of the language. wrong: ended and not of it, or begun as no string begins. cut: not
    ended in time, so far right; neither valid nor wrong. complete: ended. valid_of_complete: of those that
    ended. novel: of the valid ones, those that training did not have. distinct: different texts. known_words:
    words of the language, of all words written; None for languages of letters. by_course: right by the
    courses' check; None where there is none. length_distance: largest difference between the cumulative
    shares of lengths of the samples that ended and of the language's strings.
    """

    count: int
    valid: float
    wrong: float
    cut: float
    complete: float
    valid_of_complete: float | None
    novel: float | None
    distinct: float
    length_distance: float | None
    known_words: float | None
    by_course: float | None
    longest_valid: str | None
    explained: tuple[tuple[str, Wrong], ...]

    @property
    def shares(self) -> dict[str, float]:
        """Those that are known, by the names under which they are recorded."""
        known = {
            "valid_samples": self.valid,
            "wrong_samples": self.wrong,
            "cut_samples": self.cut,
            "complete_samples": self.complete,
            "valid_of_complete_samples": self.valid_of_complete,
            "novel_samples": self.novel,
            "distinct_samples": self.distinct,
            "length_distance": self.length_distance,
            "known_words": self.known_words,
            "samples_valid_by_course": self.by_course,
        }
        return {name: share for name, share in known.items() if share is not None}


def judge(
    language: FormalLanguage[Any],
    samples: Sequence[Sample],
    *,
    seen: Collection[str] = (),
    lengths: Mapping[int, float] | None = None,
    words: Collection[str] | None = None,
    course: Callable[[str], bool] | None = None,
) -> Judgement:
    """Hold samples against a language.

    Args:
        language: what they should be of.
        samples: at least one.
        seen: the training texts.
        lengths: shares of the lengths of the language's strings, in tokens without the end.
        words: words that a text of the language may hold; None where texts have no words.
        course: the courses' check, of whole or cut texts.

    >>> from seqlab.languages.regular import parity
    >>> found = judge(parity(0.1), [Sample("11", True), Sample("1", True), Sample("1", False)])
    >>> found.valid == found.wrong == found.cut == 1 / 3, found.explained[0][1]
    (True, Wrong(place=1, token='.end', allowed=('0', '1')))
    """
    verdicts = {sample: _wrong(language, sample) for sample in set(samples)}
    wrong = [(sample.text, why) for sample in samples if (why := verdicts[sample]) is not None]
    ended = [sample for sample in samples if sample.complete]
    valid = [sample.text for sample in ended if verdicts[sample] is None]
    explained = list({text: (text, why) for text, why in wrong}.values())
    total = len(samples)
    return Judgement(
        count=total,
        valid=len(valid) / total,
        wrong=len(wrong) / total,
        cut=(total - len(valid) - len(wrong)) / total,
        complete=len(ended) / total,
        valid_of_complete=len(valid) / len(ended) if ended else None,
        novel=sum(text not in seen for text in valid) / len(valid) if valid else None,
        distinct=len({sample.text for sample in samples}) / total,
        length_distance=_distance(language, ended, lengths) if lengths and ended else None,
        known_words=_known(samples, words) if words is not None else None,
        by_course=sum(course(sample.text) for sample in samples) / total if course else None,
        longest_valid=max(valid, key=len, default=None),
        explained=tuple(explained[:LONGEST]),
    )


def _wrong(language: FormalLanguage[Any], sample: Sample) -> Wrong | None:
    """Why a sample is wrong; None where it is right so far."""
    why = language.wrong(sample.text)
    ended_too_early = why is not None and why.token == END
    return None if ended_too_early and not sample.complete else why


def _distance(language: FormalLanguage[Any], ended: Sequence[Sample], lengths: Mapping[int, float]) -> float:
    counts = Counter(len(language.split(sample.text)) for sample in ended)
    ours = theirs = largest = 0.0
    for length in sorted({*counts, *lengths}):
        ours += counts[length] / len(ended)
        theirs += lengths.get(length, 0.0)
        largest = max(largest, abs(ours - theirs))
    return largest


def _known(samples: Sequence[Sample], words: Collection[str]) -> float | None:
    """Of whole words: the last one of a sample that was cut may be part of one."""
    written = [
        word
        for sample in samples
        for word in (sample.text.split() if sample.complete else sample.text.split()[:-1])
    ]
    return sum(word in words for word in written) / len(written) if written else None
