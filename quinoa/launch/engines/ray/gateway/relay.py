"""One connection, carried on from a plain socket to a TLS socket and back until it ends or breaks.

A relay reads only what it can pass on: where a side does not take more, the other is not read until
it does. So it keeps at most one buffer a direction, and none while nothing waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence

from quinoa.launch.engines.ray.gateway import frames
from quinoa.launch.engines.ray.gateway.frames import Frames
from quinoa.launch.engines.ray.gateway.sockets import reset_at_close

# The most that is read at a time. Larger reads no longer save time.
BUFFER_BYTES = 256 * 1024
# The largest content of a TLS record, and so of one read from a TLS socket. With less room, OpenSSL
# would keep the rest, and the socket would not be ready to be read although there is more.
_RECORD_BYTES = 16 * 1024
# More pieces than this are copied into one before they are sent.
_MAX_PIECES = 16


class Relay:
    """A plain socket and a TLS socket, both connected and not blocking."""

    def __init__(
        self,
        plain: socket.socket,
        tls: ssl.SSLSocket,
        buffer: memoryview,
        on_end: Callable[[Relay], None],
    ):
        """Carries nothing yet.

        Args:
            plain: the one socket; the relay closes it.
            tls: the other, after its handshake; the relay closes it.
            buffer: of `BUFFER_BYTES`, which all relays of a thread share: no relay needs what is in
                it for longer than one call.
            on_end: called once, when both sockets have been closed.
        """
        self._plain = plain
        self._tls = tls
        self._buffer = buffer
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._frames = Frames()
        # What a socket has not taken yet.
        self._to_tls = memoryview(b"")
        self._to_plain = memoryview(b"")
        self._plain_ended = False
        self._is_over = False

    def start(self) -> None:
        """Begins to carry."""
        self._loop.add_reader(self._plain, self._read_plain)
        self._loop.add_reader(self._tls, self._read_tls)
        # What came together with the handshake is in OpenSSL's memory.
        self._read_tls()

    def cut(self) -> None:
        """Ends the connection at once; both other ends see that it broke."""
        if not self._is_over:
            for each in (self._plain, self._tls):
                reset_at_close(each)
            self._close()

    def _read_plain(self) -> None:
        room = self._buffer[frames.HEADER_BYTES :]
        try:
            count = self._plain.recv_into(room)
        except BlockingIOError:
            return
        except OSError:
            self.cut()
            return
        self._plain_ended = not count
        frames.write_header(self._buffer, count)
        if self._plain_ended:
            self._loop.remove_reader(self._plain)
        self._write_tls(self._buffer[: frames.HEADER_BYTES + count])

    def _write_tls(self, data: memoryview) -> None:
        waited = bool(self._to_tls)
        try:
            # It takes a record at a time.
            while data:
                data = data[self._tls.send(data) :]
        except ssl.SSLWantWriteError:
            # OpenSSL wants the same bytes again, wherever they are.
            self._to_tls = data if waited else memoryview(bytes(data))
            if not waited:
                self._loop.remove_reader(self._plain)
                self._loop.add_writer(self._tls, lambda: self._write_tls(self._to_tls))
            return
        except OSError:
            self.cut()
            return
        if waited:
            self._to_tls = memoryview(b"")
            self._loop.remove_writer(self._tls)
            if not self._plain_ended:
                self._loop.add_reader(self._plain, self._read_plain)
        self._close_if_ended()

    def _read_tls(self) -> None:
        count, broke = 0, False
        try:
            while BUFFER_BYTES - count >= _RECORD_BYTES:
                got = self._tls.recv_into(self._buffer[count:])
                if not got:
                    broke = True
                    break
                count += got
        except ssl.SSLWantReadError:
            pass
        except OSError:
            broke = True
        try:
            contents = self._frames.contents(self._buffer[:count])
        except frames.FrameError:
            self.cut()
            return
        # The other end closes its socket as soon as it has sent and got the last frame.
        if broke and not self._frames.ended:
            self.cut()
            return
        if self._frames.ended:
            self._loop.remove_reader(self._tls)
        if contents or self._frames.ended:
            self._write_plain(contents)

    def _write_plain(self, pieces: Sequence[memoryview]) -> None:
        waited = bool(self._to_plain)
        if len(pieces) > _MAX_PIECES:
            pieces = [memoryview(b"".join(pieces))]
        length = sum(map(len, pieces))
        sent = 0
        if length:
            try:
                sent = self._plain.sendmsg(pieces)
            except BlockingIOError:
                pass
            except OSError:
                self.cut()
                return
        if sent < length:
            self._to_plain = (pieces[0] if waited else memoryview(b"".join(pieces)))[sent:]
            if not waited:
                self._loop.remove_reader(self._tls)
                self._loop.add_writer(self._plain, lambda: self._write_plain([self._to_plain]))
            return
        if waited:
            self._to_plain = memoryview(b"")
            self._loop.remove_writer(self._plain)
            if not self._frames.ended:
                self._loop.add_reader(self._tls, self._read_tls)
        if self._frames.ended:
            # The other end may have gone.
            with contextlib.suppress(OSError):
                self._plain.shutdown(socket.SHUT_WR)
        self._close_if_ended()

    def _close_if_ended(self) -> None:
        if not ((self._plain_ended and self._frames.ended) or self._is_over):
            return
        if not (self._to_tls or self._to_plain):
            self._close()

    def _close(self) -> None:
        self._is_over = True
        for each in (self._plain, self._tls):
            self._loop.remove_reader(each)
            self._loop.remove_writer(each)
            each.close()
        self._on_end(self)
