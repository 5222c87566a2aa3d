"""A check on each JSON object that decides a result: damage and exchange are noticed.

The check is the last key of the object. It is computed from the text before it and from a subject: what the
text is of. So an object that was changed, or that belongs to another run, file or line, does not fit. It
protects against damage and mistakes; whoever wants to can compute another one.
"""

from __future__ import annotations

import hashlib
import re

_SEAL = re.compile(r',\s*"check": ?"([0-9a-f]{32})"(\s*\})\Z')


def check_of(text: str | bytes, subject: str) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of a subject and a text."""
    content = text.encode("utf-8") if isinstance(text, str) else text
    return hashlib.sha256(f"{subject}\n".encode() + content).hexdigest()[:32]


def seal(text: str, subject: str) -> str:
    """A JSON object with its check as last key.

    Args:
        text: the object, with one key at least.
        subject: what it is of.

    >>> seal('{"a":1}', "run")
    '{"a":1,"check":"a763cae42e68e3ddbd5d4d1077fdb596"}'
    """
    body = text.rstrip("}").rstrip() if text.endswith("\n}") else text[:-1]
    tail = text[len(body) :]
    space, colon = ("\n ", ": ") if tail.startswith("\n") else ("", ":")
    return f'{body},{space}"check"{colon}"{check_of(text, subject)}"{tail}'


def unseal(sealed: str) -> tuple[str, str | None]:
    """The object without its check, and the check; None where there is none.

    >>> unseal('{"a":1,"check":"a763cae42e68e3ddbd5d4d1077fdb596"}')
    ('{"a":1}', 'a763cae42e68e3ddbd5d4d1077fdb596')
    """
    # From the last key on, because a search from the beginning is slow in long lines.
    found = _SEAL.match(sealed, max(0, sealed.rfind(",", 0, max(0, sealed.rfind('"check"')))))
    if found is None:
        return sealed, None
    return sealed[: found.start()] + found[2], found[1]
