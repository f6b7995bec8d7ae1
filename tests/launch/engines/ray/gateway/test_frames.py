from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quinoa.launch.engines.ray.gateway import frames
from quinoa.launch.engines.ray.gateway.frames import FrameError, Frames


def framed(content: bytes) -> bytes:
    header = bytearray(frames.HEADER_BYTES)
    frames.write_header(memoryview(header), len(content))
    return bytes(header) + content


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=10),
    st.lists(st.integers(1, 30), min_size=1, max_size=30),
)
def test_whatever_pieces_a_stream_comes_in_its_contents_are_the_same(contents, sizes):
    data = memoryview(b"".join([*map(framed, contents), frames.END]))
    reader, got, index = Frames(), b"", 0
    while data:
        assert not reader.ended
        size = sizes[index % len(sizes)]
        got += b"".join(reader.contents(data[:size]))
        data, index = data[size:], index + 1
    assert got == b"".join(contents)
    assert reader.ended


def test_a_stream_that_stops_in_between_has_not_ended():
    reader = Frames()
    assert (
        b"".join(reader.contents(memoryview(framed(b"whole") + framed(b"half")[:-2]))) == b"wholeha"
    )
    assert not reader.ended


def test_data_after_the_end_is_an_error():
    with pytest.raises(FrameError, match="after the end"):
        Frames().contents(memoryview(frames.END + b"more"))


def test_a_frame_that_is_too_long_is_an_error():
    header = bytearray(frames.HEADER_BYTES)
    frames.write_header(memoryview(header), frames.LARGEST + 1)
    with pytest.raises(FrameError, match="1048577 bytes"):
        Frames().contents(memoryview(header))
