import gzip
import random
import tarfile
from pathlib import Path

import pytest
from archives import write_archive

from seqlab.data.sources.text_archives import archive_texts
from seqlab.schema.errors import UserError


def unusual_member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def read_all(archive: Path) -> dict[str, str]:
    return dict(archive_texts(archive, lambda name: name.endswith(".txt")))


def test_wanted_members_are_read(tmp_path: Path):
    archive = write_archive(
        tmp_path / "a.tar.gz", {"x/a.txt": b"one", "x/b.bin": b"\xff", "x/c.txt": "zwö".encode()}
    )
    assert read_all(archive) == {"x/a.txt": "one", "x/c.txt": "zwö"}


@pytest.mark.parametrize("name", ["/etc/a.txt", "../a.txt", "x/../../a.txt", "..\\a.txt", "C:/a.txt", "x/.."])
def test_a_member_outside_the_archive_is_refused(tmp_path: Path, name: str):
    archive = write_archive(tmp_path / "evil.tar.gz", {"fine.txt": b"a", name: b"b"})
    with pytest.raises(UserError, match=r"evil\.tar\.gz must only contain paths inside .* Got the member"):
        read_all(archive)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, word: str):
    archive = write_archive(
        tmp_path / "a.tar.gz", {"f.txt": b"a"}, unusual_member("odd.txt", kind, "/etc/passwd")
    )
    with pytest.raises(UserError, match=rf"must only contain files and folders\. Got {word}.*'odd\.txt'"):
        read_all(archive)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float):
    texts = {f"{i}.txt": bytes([i]) * 3000 for i in range(1, 60)}
    data = write_archive(tmp_path / "a.tar.gz", texts).read_bytes()
    short = tmp_path / "short.tar.gz"
    short.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=r"short\.tar\.gz must be a whole .* damaged one after (member|its)"):
        read_all(short)


def test_a_broken_header_is_not_mistaken_for_the_end(tmp_path: Path):
    plain = gzip.decompress(write_archive(tmp_path / "a.tar.gz", {"a.txt": b"a", "b.txt": b"b"}).read_bytes())
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(gzip.compress(plain[:1024] + b"\x01" * 512 + plain[1536:]))
    with pytest.raises(UserError, match=r"damaged one after member 'a\.txt'"):
        read_all(broken)


def test_an_archive_without_its_end_is_refused(tmp_path: Path):
    plain = gzip.decompress(write_archive(tmp_path / "a.tar.gz", {"a.txt": b"a", "b.txt": b"b"}).read_bytes())
    headless = tmp_path / "b.tar.gz"
    headless.write_bytes(gzip.compress(plain[:1024]))
    with pytest.raises(UserError, match=r"damaged one after member 'a\.txt'"):
        read_all(headless)


def test_changed_bytes_are_detected(tmp_path: Path):
    data = bytearray(write_archive(tmp_path / "a.tar.gz", {"a.txt": bytes(range(32, 127)) * 50}).read_bytes())
    data[-5] ^= 1  # of the length that gzip notes
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(UserError, match="must be a whole"):
        read_all(tmp_path / "a.tar.gz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    (tmp_path / "a.tar.gz").write_text("<html>not found</html>")
    with pytest.raises(UserError, match="damaged one after its beginning"):
        read_all(tmp_path / "a.tar.gz")
    with pytest.raises(UserError, match="must exist"):
        read_all(tmp_path / "b.tar.gz")


def test_a_member_that_is_not_utf8_is_named(tmp_path: Path):
    archive = write_archive(tmp_path / "a.tar.gz", {"x/a.txt": b"one\n\xff"})
    with pytest.raises(UserError, match=r"a\.tar\.gz, x/a\.txt:2 must be UTF-8"):
        read_all(archive)


def test_a_damaged_archive_is_refused_or_read_as_it_was(tmp_path: Path):
    texts = {f"x/{i}.txt": b"some text " * i for i in range(1, 20)}
    data = write_archive(tmp_path / "a.tar.gz", texts).read_bytes()
    plain, draw = gzip.decompress(data), random.Random(0)
    expected = {name: text.decode() for name, text in texts.items()}
    for number in range(200):
        changed = bytearray(plain if number % 2 else data)
        for _ in range(1 + number % 3):
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        # Damage before compression is not covered by gzip's checksum, but a header has one of its own.
        (tmp_path / "b.tar.gz").write_bytes(gzip.compress(changed) if number % 2 else changed)
        try:
            found = read_all(tmp_path / "b.tar.gz")
        except UserError:
            continue
        assert number % 2 or found == expected
