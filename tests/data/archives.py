"""Archives for the tests of reading and of datasets."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def write_archive(path: Path, members: dict[str, bytes], *odd: tarfile.TarInfo) -> Path:
    """A .tar.gz of files by name, followed by unusual members."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in odd:
            tar.addfile(info)
    return path
