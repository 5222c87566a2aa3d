"""Recorded values compared with earlier ones: to the last bit where the environment is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TOLERANCE = 1e-3
"""Relative difference that losses may have in another environment."""
OF_PREDICTIONS = 1e-6
"""The same of predicted values in the same environment: how many texts are read together rounds them."""
ABSENT = "nothing"


@dataclass
class Comparison:
    """What came out: `differences` name the path of a value, `notes` are sentences on what was compared."""

    equal: int = 0
    skipped: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    renamed: Mapping[str, str],
    reworded: Mapping[str, str],
    *,
    whole: bool,
) -> Comparison:
    """Hold what is recorded now against what was stored.

    Args:
        then: what was stored.
        now: what was recorded now.
        renamed: stored names, of keys and of values that are a name, that are called otherwise now.
        reworded: parts of stored texts that are written otherwise now.
        whole: whether all cases were recorded, so that one that is stored only is a difference.
    """
    result = Comparison()
    others = _environment(then["environment"], now["environment"])
    if others:
        result.notes.append(
            f"Another environment ({'; '.join(others)}): losses are compared to within {TOLERANCE:g}, "
            "everything else is skipped."
        )
    stored = translated(then["cases"], renamed, reworded)
    if not whole:
        result.notes.append(f"{len(now['cases'])} of {len(stored)} stored cases are compared.")
        stored = {name: value for name, value in stored.items() if name in now["cases"]}
    old, new = dict(leaves(stored)), dict(leaves(now["cases"]))
    for path in dict.fromkeys([*old, *new]):
        _compare(path, old.get(path, ABSENT), new.get(path, ABSENT), exact=not others, result=result)
    return result


def translated(content: Any, renamed: Mapping[str, str], reworded: Mapping[str, str]) -> Any:
    """Stored content with the names of today.

    >>> translated({"loss": [1.0], "cell": "rnn", "text": "a ."}, {"loss": "nats", "rnn": "gru"}, {".": "!"})
    {'nats': [1.0], 'cell': 'gru', 'text': 'a !'}
    """
    if isinstance(content, dict):
        return {_name(key, renamed): translated(value, renamed, reworded) for key, value in content.items()}
    if isinstance(content, list):
        return [translated(value, renamed, reworded) for value in content]
    if not isinstance(content, str) or content in renamed:
        return renamed.get(content, content) if isinstance(content, str) else content
    for before, after in reworded.items():
        content = content.replace(before, after)
    return content


def leaves(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every single value with its path; an empty table or list is a value, too.

    >>> list(leaves({"a": [1, {"b": 2}], "c": {}}))
    [(('a', '0'), 1), (('a', '1', 'b'), 2), (('c',), {})]
    """
    parts = dict(enumerate(content)) if isinstance(content, list) else content
    if not isinstance(parts, dict) or not parts:
        yield path, content
        return
    for key, value in parts.items():
        yield from leaves(value, (*path, str(key)))


def _name(key: str, renamed: Mapping[str, str]) -> str:
    """A key whole, else the words of it: `recipe/NAME`, `NUMBER ARCHITECTURE`."""
    for sign in ("/", " "):
        head, found, tail = key.partition(sign)
        if key not in renamed and found and tail in renamed:
            return f"{head}{sign}{renamed[tail]}"
    return renamed.get(key, key)


def _environment(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    keys = dict.fromkeys([*then, *now])
    return [f"{key} was {then.get(key)}, is {now.get(key)}" for key in keys if then.get(key) != now.get(key)]


def _compare(path: tuple[str, ...], then: Any, now: Any, *, exact: bool, result: Comparison) -> None:
    loss = any("loss" in name for name in path)
    numbers = isinstance(then, float) and isinstance(now, float)
    if not exact and not (loss and (numbers or ABSENT in (then, now))):
        result.skipped += 1
    elif _same(then, now) or (numbers and 0 < abs(then - now) <= _tolerance(path, exact=exact) * abs(then)):
        result.equal += 1
    else:
        result.differences.append(f"{' > '.join(path)}: was {_shown(then)}, is {_shown(now)}")


def _tolerance(path: tuple[str, ...], *, exact: bool) -> float:
    if not exact:
        return TOLERANCE
    return OF_PREDICTIONS if "predicted" in path else 0.0


def _same(then: Any, now: Any) -> bool:
    """Equal to the bit: a number and a truth value, 0.0 and -0.0 are not the same."""
    return type(then) is type(now) and json.dumps(then) == json.dumps(now)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."
