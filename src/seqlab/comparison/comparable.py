"""Which numbers can be ranked: rules on the evaluation cards of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

Card = Mapping[str, Any]
"""An evaluation card, see `seqlab.runs.cards`; published ones of older versions may lack keys."""


class Matters(Enum):
    """When a difference makes two numbers incomparable."""

    ALWAYS = "always"
    TEXTS = "for numbers per text"
    UNLESS_SAME_TEXTS = "unless the numbers are per text, and the texts are known to be the same"


@dataclass(frozen=True)
class Rule:
    """A property that numbers must have in common to be ranked.

    key: of the card; dots lead into tables.
    what: its name for users.
    required: whether every card has it. A property that a later version added is unknown, not different,
        where a card lacks it.
    absent: what a card that lacks it has; None: it is not known.
    """

    key: str
    what: str
    matters: Matters = Matters.ALWAYS
    required: bool = True
    absent: str | None = None


RULES = (
    Rule("dataset", "the dataset"),
    Rule("split", "the split"),
    Rule("loss_unit", "the unit of the loss"),
    Rule("sequences", "the number of sequences"),
    Rule("texts_sha256", "the texts (SHA-256)", Matters.TEXTS, required=False),
    Rule("targets", "the number of targets", required=False),
    Rule("end_token_counts", "whether the end token counts", required=False),
    Rule("adaptation.kind", "the adaptation to the text", required=False, absent="none"),
    Rule("split_sha256", "the encoded split (SHA-256)", Matters.UNLESS_SAME_TEXTS),
    Rule("tokens", "the number of tokens", Matters.UNLESS_SAME_TEXTS),
    Rule("tokenizer", "the tokenizer", Matters.UNLESS_SAME_TEXTS),
    Rule("vocabulary", "the size of the vocabulary", Matters.UNLESS_SAME_TEXTS),
)
"""What numbers must share to be ranked, besides the signatures of their metrics.

A number per token (a loss, a perplexity) depends on the tokens: with another tokenizer there are other things
to predict. A number per text (the accuracy of a classifier) depends on the texts, however they are split.
Seed, run, checkpoint and hardware are what rankings are over, so they are not here. Nor is what a model sees
before a target: a carried state or a window is part of the model, and tables show it next to the number.
"""

COST_RULES = (
    Rule("environment.device", "the device"),
    Rule("environment.processor", "the processor"),
    Rule("environment.cores", "the number of cores"),
    Rule("environment.threads", "the number of threads"),
    Rule("environment.kernels", "the kernels", required=False),
    Rule("environment.matmul", "the matmul backend", required=False),
    Rule("environment.versions.torch", "the version of torch", required=False),
)
"""What seconds, tokens per second and memory must share to be ranked."""

SIGNATURES = "signatures"
"""Key of a card's table of metrics' signatures, such as sacrebleu's, which identify the computed variant."""
_HASH_LENGTH, _SHOWN = 64, 12
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class CardDifference:
    """A property that differs, by its name for users, and each card's value, in the order of the cards."""

    what: str
    values: tuple[str, ...]


def differences(cards: Sequence[Card]) -> list[CardDifference]:
    """The differences that prevent ranking the numbers of cards; [] where there are none.

    >>> card = {rule.key: 1 for rule in RULES} | {"loss_unit": "nats per token"}
    >>> differences([card, card | {"seed": 2}]), differences([card, card | {"tokens": 5}])
    ([], [CardDifference(what='the number of tokens', values=('1', '5'))])
    """
    metrics = dict.fromkeys(metric for card in cards for metric in card.get(SIGNATURES) or {})
    signed = [Rule(f"{SIGNATURES}.{m}", f"the signature of {m}", required=False) for m in metrics]
    return _differences(cards, [*RULES, *signed])


def cost_differences(cards: Sequence[Card]) -> list[CardDifference]:
    """The differences that prevent ranking seconds, speed and memory; [] where there are none."""
    return _differences(cards, COST_RULES)


def refusal(cards: Mapping[str, Card]) -> str | None:
    """Why the numbers of these cards, by name, cannot be ranked; None where they can.

    >>> card = {rule.key: 1 for rule in RULES} | {"loss_unit": "nats per token"}
    >>> refusal({"a": card, "b": card | {"tokens": 2}}).split(". ")[1]
    'They differ in the number of tokens: 1 (a), 2 (b)'
    """
    different, names = differences(list(cards.values())), list(cards)
    if not different:
        return None
    parts = [f"{difference.what}: {_sides(names, difference.values)}" for difference in different]
    return (
        f"The numbers of {_listed(names)} cannot be ranked. They differ in {'; in '.join(parts)}. "
        "--allow-incomparable shows them apart."
    )


def comparable_groups(cards: Mapping[str, Card]) -> list[list[str]]:
    """Names of cards whose numbers can be ranked with each other, in the order given.

    A card joins the first group in which it can be ranked with every member.
    """
    groups: list[list[str]] = []
    for name, card in cards.items():
        fitting = (group for group in groups if not differences([*(cards[other] for other in group), card]))
        group = next(fitting, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return groups


def _differences(cards: Sequence[Card], rules: Sequence[Rule]) -> list[CardDifference]:
    different = []
    for rule in rules:
        values = [rule.absent if (value := _get(card, rule.key)) is None else value for card in cards]
        # None means "not recorded", which differs only from what every card has.
        known = [value for value in values if value is not None]
        unequal = any(value != known[0] for value in known)
        lacking = rule.required and len(known) < len(values)
        if len(values) > 1 and (unequal or lacking) and _matters(rule, cards):
            different.append(CardDifference(rule.what, tuple(_shown(value) for value in values)))
    return different


def _matters(rule: Rule, cards: Sequence[Card]) -> bool:
    match rule.matters:
        case Matters.ALWAYS:
            return True
        case Matters.TEXTS:
            return _per_text(cards)
        case Matters.UNLESS_SAME_TEXTS:
            hashes = {card.get("texts_sha256") for card in cards}
            return not _per_text(cards) or None in hashes or len(hashes) > 1


def _per_text(cards: Sequence[Card]) -> bool:
    """Whether all numbers are per text; older cards only have the unit of their loss."""
    return all(
        (card.get("unit") or str(card.get("loss_unit")).rpartition(" ")[2]) == "text" for card in cards
    )


def _get(card: Card, key: str) -> Any:
    value: Any = card
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any) -> str:
    match value:
        case None:
            return NOT_RECORDED
        case str() if len(value) == _HASH_LENGTH:
            return value[:_SHOWN]
        # Before int, of which bool is a subclass.
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return repr(value)


def _sides(names: Sequence[str], values: Sequence[str]) -> str:
    """Each value with the names of the cards that have it."""
    return ", ".join(
        f"{value} ({', '.join(name for name, own in zip(names, values, strict=True) if own == value)})"
        for value in dict.fromkeys(values)
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
