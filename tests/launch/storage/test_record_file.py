"""Files on a disk that is full, has room again, fails, or was left with a cut line."""

from __future__ import annotations

import errno
import os

import pytest

from quinoa.launch.storage import record_file
from quinoa.launch.storage.record_file import RecordFile
from tests.launch.disks import fill, make_larger


def line(number: int) -> bytes:
    return b"%06d %s\n" % (number, b"." * 100)


def test_what_a_full_disk_does_not_take_comes_later_whole_and_in_order(small_disk, capsys):
    file = RecordFile(small_disk / "lines", lines=True)
    file.write(line(0))
    assert file.flush()
    fill(small_disk)
    for number in range(1, 2001):
        file.write(line(number))
        if number % 50 == 0:
            file.flush()
            # Never a part of a line.
            assert file.path.read_bytes().endswith(b"\n")
    assert file.is_failing
    assert file.num_pending > 1000
    err = capsys.readouterr().err
    assert err.count("cannot be written (No space left on device): make room.") == 1
    make_larger(small_disk)
    assert file.flush()
    assert file.path.read_bytes() == b"".join(line(number) for number in range(2001))
    assert (file.num_pending, file.num_lost) == (0, 0)
    assert "is written again" in capsys.readouterr().err


def test_a_file_that_cannot_be_made_yet_is_made_later(small_disk):
    fill(small_disk)
    file = RecordFile(small_disk / "lines", lines=True)
    file.write(line(1))
    assert not file.flush()
    (small_disk / "ballast").unlink()
    assert file.flush()
    assert file.path.read_bytes() == line(1)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_record_that_is_cut_is_taken_back(tmp_path, monkeypatch, lines, trouble):
    """As on a disk with so many bytes left, wherever in a record those end."""
    real_write = os.write
    records = [b"first\n", b"second, longer\n", b"third\n"]
    for room in range(sum(map(len, records)) + 1):
        file = RecordFile(tmp_path / f"{room}", lines=lines)
        file.write(b"before\n")
        assert file.flush()
        left = [room]

        def write(descriptor, data, left=left):
            if not left[0]:
                raise OSError(trouble, os.strerror(trouble))
            part = bytes(data[: left[0]])
            left[0] -= len(part)
            return real_write(descriptor, part)

        for record in records:
            file.write(record)
        monkeypatch.setattr(os, "write", write)
        is_written = file.flush()
        monkeypatch.setattr(os, "write", real_write)
        whole = [b"".join(records[:count]) for count in range(len(records) + 1)]
        expected = max((text for text in whole if len(text) <= room), key=len)
        assert file.path.read_bytes() == b"before\n" + expected
        assert is_written == (room == len(whole[-1]))
        assert file.flush()
        assert file.path.read_bytes() == b"before\n" + whole[-1]


def test_memory_is_bounded_and_what_is_lost_is_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record_file, "MAX_PENDING_BYTES", 10 * len(line(0)))
    path = tmp_path / "lines"
    path.mkdir()  # It cannot be opened as a file.
    file = RecordFile(path, lines=True)
    for number in range(15):
        file.write(line(number))
        assert not file.flush()
    assert (file.num_pending, file.num_lost) == (10, 5)
    path.rmdir()
    assert file.flush()
    # What there is has no gap but at its end.
    assert path.read_bytes() == b"".join(map(line, range(10)))
    assert "5 records were lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "mended"),
    [(b"", b""), (b"a,b\n1,2\n", b"a,b\n1,2\n"), (b"a,b\n1,2\n3,", b"a,b\n1,2\n"), (b"a,", b"")],
)
def test_a_cut_line_is_taken_out(tmp_path, found, mended):
    path = tmp_path / "lines"
    path.write_bytes(found)
    file = RecordFile(path, lines=True)
    file.repair()
    assert path.read_bytes() == mended
    # And so is one that somebody leaves later.
    path.write_bytes(found)
    file.write(b"5,6\n")
    assert file.flush()
    assert path.read_bytes() == mended + b"5,6\n"


def test_mending_what_is_not_there_makes_nothing(tmp_path):
    RecordFile(tmp_path / "lines", lines=True).repair()
    assert not list(tmp_path.iterdir())


def test_one_that_was_stopped_while_it_held_the_file_keeps_nobody(tmp_path):
    import fcntl

    path = tmp_path / "lines"
    path.touch()
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        file = RecordFile(path, lines=True)
        file.write(line(1))
        assert file.flush()
    assert path.read_bytes() == line(1)
