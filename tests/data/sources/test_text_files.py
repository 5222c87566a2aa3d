import gzip
import tarfile
from pathlib import Path

import pytest
from archives import write_archive

from seqlab.data.sources.text_files import archive_texts, read_text
from seqlab.schema.errors import UserError


def odd_member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def read_all(archive: Path) -> dict[str, str]:
    return dict(archive_texts(archive, lambda name: name.endswith(".txt")))


def test_text_is_read_as_it_is(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes("é\r\nb\n".encode())
    assert read_text(path) == "é\r\nb\n"


def test_a_missing_file_is_named_with_its_nearest_neighbour(tmp_path: Path):
    (tmp_path / "train.txt").write_text("a")
    with pytest.raises(
        UserError, match=r"trian\.txt must exist\. Got no such file\. Nearest: 'train\.txt'\."
    ):
        read_text(tmp_path / "trian.txt")


def test_a_missing_folder_is_no_other_error(tmp_path: Path):
    with pytest.raises(UserError, match=r"must exist\. Got no such file\.$"):
        read_text(tmp_path / "no" / "such.txt")


def test_an_empty_file_and_a_folder_are_refused(tmp_path: Path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match=r"empty\.txt must hold text\. Got an empty file"):
        read_text(tmp_path / "empty.txt")
    with pytest.raises(UserError, match=r"must be a file that can be read\. Got: Is a directory"):
        read_text(tmp_path)


def test_what_is_not_utf8_is_named_by_line_and_byte(tmp_path: Path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"good\nalso good\ncaf\xe9 bad\n")
    with pytest.raises(UserError, match=r"latin\.txt:3 must be UTF-8\. Got byte 0xe9 at byte 18 of the file"):
        read_text(path)


def test_wanted_members_are_read(tmp_path: Path):
    archive = write_archive(
        tmp_path / "a.tar.gz", {"x/a.txt": b"one", "x/b.bin": b"\xff", "x/c.txt": "zwö".encode()}
    )
    assert read_all(archive) == {"x/a.txt": "one", "x/c.txt": "zwö"}


@pytest.mark.parametrize("name", ["/etc/a.txt", "../a.txt", "x/../../a.txt", "..\\a.txt", "C:/a.txt", "x/.."])
def test_a_member_that_leads_out_is_refused(tmp_path: Path, name: str):
    archive = write_archive(tmp_path / "evil.tar.gz", {"fine.txt": b"a", name: b"b"})
    with pytest.raises(UserError, match=r"evil\.tar\.gz must hold paths inside .* Got the member"):
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
        tmp_path / "a.tar.gz", {"f.txt": b"a"}, odd_member("odd.txt", kind, "/etc/passwd")
    )
    with pytest.raises(UserError, match=rf"must hold files and folders only\. Got {word}.*'odd\.txt'"):
        read_all(archive)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.95, 0.999])
def test_an_archive_that_was_cut_short_is_refused(tmp_path: Path, share: float):
    texts = {f"{i}.txt": bytes([i]) * 3000 for i in range(1, 60)}
    data = write_archive(tmp_path / "a.tar.gz", texts).read_bytes()
    short = tmp_path / "short.tar.gz"
    short.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=r"short\.tar\.gz must be a whole .* damaged one after (member|its)"):
        read_all(short)


def test_a_broken_header_inside_is_not_taken_for_the_end(tmp_path: Path):
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


def test_changed_bytes_are_noticed(tmp_path: Path):
    data = bytearray(write_archive(tmp_path / "a.tar.gz", {"a.txt": bytes(range(32, 127)) * 50}).read_bytes())
    data[-5] ^= 1  # of the length that gzip notes
    (tmp_path / "a.tar.gz").write_bytes(data)
    with pytest.raises(UserError, match="must be a whole"):
        read_all(tmp_path / "a.tar.gz")


def test_what_is_no_archive_is_refused(tmp_path: Path):
    (tmp_path / "a.tar.gz").write_text("<html>not found</html>")
    with pytest.raises(UserError, match="damaged one after its beginning"):
        read_all(tmp_path / "a.tar.gz")
    with pytest.raises(UserError, match="must exist"):
        read_all(tmp_path / "b.tar.gz")


def test_a_member_that_is_not_utf8_is_named(tmp_path: Path):
    archive = write_archive(tmp_path / "a.tar.gz", {"x/a.txt": b"one\n\xff"})
    with pytest.raises(UserError, match=r"a\.tar\.gz, x/a\.txt:2 must be UTF-8"):
        read_all(archive)
