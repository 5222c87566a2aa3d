import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seqlab.data import fetch
from seqlab.data.fetch import checksums_of, source_file
from seqlab.schema.errors import UserError, WorkError

GOOD = b"the right content" * 1000
CHECKSUM = f"sha256:{hashlib.sha256(GOOD).hexdigest()}"
MD5 = f"md5:{hashlib.md5(GOOD).hexdigest()}"


class Server(BaseHTTPRequestHandler):
    """Serves the file, another one, half of it, or nothing, depending on the path."""

    def do_GET(self) -> None:
        body = b"tampered" if self.path == "/wrong" else GOOD
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:4000] if self.path == "/cut" else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file count as unchanged for long."""
    monkeypatch.setattr(fetch, "_REST", -(10**18))


def downloads(cache: Path) -> list[Path]:
    return [path for path in (cache / "sources").rglob("*") if path.is_file()]


def get(*urls: str, checksums: tuple[str, ...] = (CHECKSUM,)) -> Path:
    return source_file("set/file.bin", checksums=checksums, urls=urls)


def test_a_file_is_fetched_once(server: str, cache: Path):
    path = get(f"{server}/good")
    assert path == cache / "sources" / "set" / "file.bin"
    assert path.read_bytes() == GOOD
    assert downloads(cache) == [path]
    assert get("http://127.0.0.1:9/never-requested") == path


def test_urls_are_tried_in_order(server: str):
    assert get(f"{server}/missing", f"{server}/cut", f"{server}/wrong", f"{server}/good").read_bytes() == GOOD


def test_several_checksums_of_one_file(server: str):
    assert get(f"{server}/good", checksums=("md5:0", MD5)).read_bytes() == GOOD


@pytest.mark.parametrize("path", ["cut", "missing"])
def test_a_broken_download_leaves_no_file(server: str, cache: Path, path: str):
    with pytest.raises(
        WorkError, match=rf"'set/file\.bin' could not be fetched\. Tried:\n  {server}/{path}: "
    ):
        get(f"{server}/{path}")
    assert downloads(cache) == []


def test_a_wrong_checksum_leaves_no_file(server: str, cache: Path):
    expected = (
        rf"/wrong must have a known checksum, {CHECKSUM}\. Got md5:{hashlib.md5(b'tampered').hexdigest()}"
    )
    with pytest.raises(UserError, match=expected):
        get(f"{server}/wrong")
    assert downloads(cache) == []


def test_without_a_network_the_remedy_is_named():
    with pytest.raises(WorkError, match=r"http://127\.0\.0\.1:9/a: .*\n.*127\.0\.0\.1:9/b: ") as caught:
        get("http://127.0.0.1:9/a", "http://127.0.0.1:9/b")
    assert "Put the file at $SEQLAB_DATA/set/file.bin" in str(caught.value)


def test_a_damaged_file_in_the_cache_is_fetched_again(server: str, caplog: pytest.LogCaptureFixture):
    path = get(f"{server}/good")
    path.write_bytes(b"x")
    with caplog.at_level(logging.WARNING):
        assert get(f"{server}/good").read_bytes() == GOOD
    assert "is damaged and is fetched again" in caplog.text


def test_the_data_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin").write_bytes(GOOD)
    monkeypatch.setenv("SEQLAB_DATA", str(tmp_path))
    assert get("http://127.0.0.1:9/never-requested") == tmp_path / "set" / "file.bin"


def test_an_unknown_file_in_the_data_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin").write_bytes(b"other")
    monkeypatch.setenv("SEQLAB_DATA", str(tmp_path))
    with pytest.raises(UserError, match=rf"file\.bin must have a known checksum, {CHECKSUM}\. Got md5:"):
        get("http://127.0.0.1:9/never-requested")


def test_a_data_folder_that_does_not_exist_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEQLAB_DATA", str(tmp_path / "dta"))
    with pytest.raises(UserError, match=r"\$SEQLAB_DATA must name a folder\. Got .*dta"):
        get("http://127.0.0.1:9/never-requested")


def test_checksums_are_kept_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    reads: list[Path] = []
    original = fetch._read_checksums

    def counted(file: Path) -> fetch.Checksums:
        reads.append(file)
        return original(file)

    monkeypatch.setattr(fetch, "_read_checksums", counted)
    first = checksums_of(path)
    assert checksums_of(path) == first
    assert len(reads) == 2, "a file that changed a moment ago may change again unnoticed"
    at_rest(monkeypatch)
    assert checksums_of(path) == checksums_of(path) == first
    assert len(reads) == 3
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert checksums_of(path).sha256 == hashlib.sha256(b"two").hexdigest()
    assert len(reads) == 4


def test_a_change_that_keeps_size_and_modification_time_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    at_rest(monkeypatch)
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before = path.stat()
    checksums_of(path)
    other = tmp_path / "other"
    other.write_bytes(b"two")
    other.replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert checksums_of(path).sha256 == hashlib.sha256(b"two").hexdigest()


def test_a_damaged_note_is_ignored(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    at_rest(monkeypatch)
    path = tmp_path / "file"
    path.write_bytes(b"one")
    expected = checksums_of(path)
    (note,) = (cache / "verified").iterdir()
    whole = note.read_bytes()
    for damage in (b"{", b"[]", b"[" * 100_000, whole.replace(b'"sha256": "7', b'"sha256": "8', 1)):
        note.write_bytes(damage)
        assert checksums_of(path) == expected
    for index in range(0, len(whole), 7):
        note.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        assert checksums_of(path) == expected


def test_a_pipe_in_place_of_a_note_is_not_waited_for(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    at_rest(monkeypatch)
    path = tmp_path / "file"
    path.write_bytes(b"one")
    expected = checksums_of(path)
    (note,) = (cache / "verified").iterdir()
    note.unlink()
    os.mkfifo(note)
    assert checksums_of(path) == expected
    assert note.is_file()


def test_a_folder_in_place_of_a_note_is_replaced(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    at_rest(monkeypatch)
    path = tmp_path / "file"
    path.write_bytes(b"one")
    expected = checksums_of(path)
    (note,) = (cache / "verified").iterdir()
    note.unlink()
    (note / "inside").mkdir(parents=True)
    assert checksums_of(path) == expected
    assert note.is_file()


def test_leftovers_of_killed_downloads_are_removed(server: str, cache: Path):
    leftover = cache / "sources" / "set" / ".fetching-file.bin-0123abcd"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    assert get(f"{server}/good").is_file()
    assert not leftover.exists()
