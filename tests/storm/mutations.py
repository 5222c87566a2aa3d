"""Random damage to text, bytes, files and folders."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

NASTY_TEXTS = (
    "",
    " ",
    "-1",
    "0",
    "1e308",
    "nan",
    "inf",
    "-0.0",
    "1" * 400,
    "none",
    "true",
    "[]",
    "{}",
    '"',
    "'",
    "\x00",
    "\x1b[31m",
    "\u2028",
    "[bold]",
    "=1+1",
    "constructor",
    "../../etc/passwd",
    "\ud800",
    "e\u0301",
    "\ufeffa",
    "a" * 300,
    "[" * 2_000,
    "a,b;c\td|e",
    "\r\n",
)
"""Values that programs have misread before."""


def bytes_of(content: bytes, draw: random.Random) -> bytes:
    """Damaged content: bits flipped, a part cut, doubled, exchanged or inserted; sometimes empty."""
    damaged = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        begin, end = sorted(draw.randint(0, len(damaged)) for _ in range(2))
        match draw.randrange(8):
            case 0 | 1 | 2 if damaged:
                damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            case 3:
                del damaged[begin : min(end, begin + draw.choice((1, 8, 10**9)))]
            case 4:
                damaged[begin:begin] = damaged[begin:end][:200]
            case 5:
                damaged[begin:begin] = draw.choice(NASTY_TEXTS).encode("utf-8", "surrogatepass")
            case 6:
                damaged[begin:begin] = draw.randbytes(draw.choice((1, 4, 64)))
            case _:
                _exchange_number(damaged, draw)
    return bytes(damaged) if draw.random() > 0.02 else b""


def _exchange_number(content: bytearray, draw: random.Random) -> None:
    """Put another number where the content has one."""
    digits = [index for index, byte in enumerate(content) if 48 <= byte < 58]
    if digits:
        index = draw.choice(digits)
        content[index : index + 1] = str(draw.choice((0, 1, 9, 10**6, 10**18, -1))).encode()


def file_in(folder: Path, draw: random.Random) -> str:
    """Damage one file of a folder; a description of what was done."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    path = draw.choice(files)
    kind = draw.choice([_content, _content, _content, _content, _content, *_KINDS])
    kind(path, draw)
    return f"{kind.__name__.strip('_')} of {path.relative_to(folder)}"


def _content(path: Path, draw: random.Random) -> None:
    path.write_bytes(bytes_of(path.read_bytes(), draw))


def _removed(path: Path, draw: random.Random) -> None:
    path.unlink()


def _another(path: Path, draw: random.Random) -> None:
    """The content of a neighbour."""
    path.write_bytes(draw.choice([other for other in path.parent.iterdir() if other.is_file()]).read_bytes())


def _folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path, draw: random.Random) -> None:
    target = path.with_name(f"{path.name}.target")
    path.rename(target)
    path.symlink_to(draw.choice((target, Path("/dev/zero"), Path("missing"), path)))


def _fifo(path: Path, draw: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path, draw: random.Random) -> None:
    path.unlink()
    before = Path.cwd()
    # The path of a socket may have 107 bytes.
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def _parent_removed(path: Path, draw: random.Random) -> None:
    shutil.rmtree(path.parent)


def _linked_parent(path: Path, draw: random.Random) -> None:
    target = path.parent.with_name(f"{path.parent.name}.target")
    path.parent.rename(target)
    path.parent.symlink_to(target)


_KINDS: tuple[Callable[[Path, random.Random], None], ...] = (
    _removed,
    _another,
    _folder,
    _link,
    _fifo,
    _socket,
    _parent_removed,
    _linked_parent,
)
