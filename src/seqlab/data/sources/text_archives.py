"""Reading texts from .tar.gz archives without unpacking them to disk."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from seqlab.data.sources.text_files import decode_utf8, require_file
from seqlab.schema.errors import UserError


def archive_texts(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Names and texts of the wanted members of a .tar.gz archive.

    All members are checked to the end of the archive, including those that are not wanted.

    Raises:
        UserError: the archive is missing, truncated or damaged; a member's name leads out of the archive;
            a member is neither a file nor a folder; a wanted text is not UTF-8.
    """
    for name, data in _members(archive, wanted):
        yield name, decode_utf8(data, f"{archive}, {name}")


def _members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    last = "its beginning"
    require_file(archive)
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            while (member := tar.next()) is not None:
                # tarfile keeps every header until the archive is closed: 100,000 of them here.
                tar.members.clear()  # pyright: ignore
                _check(member, archive)
                last = f"member {member.name!r}"
                if member.isfile() and wanted(member.name):
                    file = tar.extractfile(member)
                    assert file is not None, "it is a file"
                    yield member.name, file.read()
            _check_end(stream)
    except UserError:
        raise
    except Exception as error:  # the readers raise much more than they document
        reason = f": {error}" if str(error) else ""
        raise UserError(
            f"{archive} must be a whole .tar.gz archive. Got a damaged one after {last}{reason}."
        ) from None


def _check(member: tarfile.TarInfo, archive: Path) -> None:
    parts = member.name.replace("\\", "/").split("/")
    if not parts[0] or parts[0].endswith(":") or ".." in parts:
        raise UserError(
            f"{archive} must only contain paths inside the archive. Got the member {member.name!r}."
        )
    if not (member.isfile() or member.isdir()):
        what = "a link" if member.issym() or member.islnk() else "a device or similar"
        raise UserError(f"{archive} must only contain files and folders. Got {what}, {member.name!r}.")


def _check_end(stream: gzip.GzipFile) -> None:
    """Make sure that at least one zero follows, and nothing else; this also checks gzip's checksum.

    tarfile mistakes a damaged header for the end; after the true end there are only zeros.

    Raises:
        EOFError: the archive does not end here.
    """
    found = False
    while block := stream.read(1 << 20):
        if block.count(0) != len(block):
            raise EOFError("no header, and not the end")
        found = True
    if not found:
        raise EOFError("no end")
