"""How a stream of bytes goes through TLS: in frames, so that its end is a message of its own.

TLS can say that one direction has ended, but Python's `ssl` cannot say it without waiting for the
other direction to end as well, and a connection that broke would look like one that ended. So a
stream is sent as frames: four bytes with the length of what follows, the most significant first. A
length of zero is the stream's end.
"""

from __future__ import annotations

import struct

HEADER_BYTES = 4
END = bytes(HEADER_BYTES)
# More than any frame that `Frames` is given has; a longer one is a fault.
LARGEST = 1 << 20

_HEADER = struct.Struct(">I")


class FrameError(ConnectionError):
    """What came is no frame."""


def write_header(into: memoryview, length: int) -> None:
    """Writes the header of a frame of so many bytes."""
    _HEADER.pack_into(into, 0, length)


class Frames:
    """Takes the frames of one stream apart, whatever pieces they come in.

    Attributes:
        ended: whether the stream's end has come.
    """

    def __init__(self) -> None:
        self.ended = False
        self._header = bytearray()
        # Bytes of the present frame that are still to come.
        self._left = 0

    def contents(self, data: memoryview) -> list[memoryview]:
        """The contents of the frames in the next piece of the stream, as parts of that piece.

        Raises:
            FrameError: there is something after the end, or a frame is too long.
        """
        found = []
        while data:
            if self.ended:
                raise FrameError("There is data after the end of a stream.")
            if self._left:
                found.append(data[: self._left])
                data = data[len(found[-1]) :]
                self._left -= len(found[-1])
                continue
            part = data[: HEADER_BYTES - len(self._header)]
            self._header += part
            data = data[len(part) :]
            if len(self._header) == HEADER_BYTES:
                (self._left,) = _HEADER.unpack(self._header)
                self._header.clear()
                self.ended = not self._left
                if self._left > LARGEST:
                    raise FrameError(f"A frame says that it has {self._left} bytes.")
        return found
