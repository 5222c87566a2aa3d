"""TensorBoard's events: readable, with the mode of the umask, and never a reason to stop."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto import event_pb2

from seqlab.training.tensorboard_events import TensorBoardEvents


def _read(path: Path) -> list[Any]:
    event: Any = vars(event_pb2)["Event"]
    return [event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load()]


def test_what_is_written_is_read_by_tensorboard(tmp_path: Path) -> None:
    messages: list[str] = []
    events = TensorBoardEvents(tmp_path / "events", 7, messages.append)
    events.add("loss/train", 0.5, 8)
    events.close()
    (path,) = (tmp_path / "events").iterdir()
    version, start, loss = _read(path)
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.HasField("session_log")) == (8, True)
    assert (loss.step, loss.summary.value[0].tag, loss.summary.value[0].simple_value) == (
        8,
        "loss/train",
        0.5,
    )
    assert messages == []


def test_a_full_disk_ends_the_events_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    events = TensorBoardEvents(tmp_path / "events", 0, messages.append)

    class Full:
        def write(self, content: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            """Nothing to release."""

    file, events._file = events._file, Full()
    file.close()
    events.add("loss/train", 0.5, 1)
    events.add("loss/train", 0.5, 2)
    events.close()
    (message,) = messages
    assert "No space left on device. Training continues" in message


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    messages: list[str] = []
    (tmp_path / "events").write_text("")
    events = TensorBoardEvents(tmp_path / "events", 0, messages.append)
    events.add("loss/train", 0.5, 1)
    events.close()
    assert len(messages) == 1
