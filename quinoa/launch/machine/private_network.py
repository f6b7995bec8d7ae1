"""A private network for a run, which nothing outside the run can reach.

Courier and Reverb listen on every interface of the machine without authentication, and Courier
unpickles what it is sent: anyone who reaches a port can run code as the user. Neither can be told
to listen on the loopback interface alone. But Linux can give processes a network namespace that
has only a loopback interface, which no other user of the machine can reach either.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from quinoa.launch.machine import interpreter

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_READY = b"ready"


class UnavailableError(OSError):
    """This machine does not let this user make network namespaces."""


@contextlib.contextmanager
def create() -> Iterator[Sequence[int]]:
    """Makes a network, which exists until this context and all processes that joined it have ended.

    Yields:
        File descriptors for `join`, in a process that inherits them.

    Raises:
        UnavailableError: the kernel, or the container that this runs in, does not allow it.
    """
    # Another process makes it, as a process with several threads may not.
    maker = subprocess.Popen(
        interpreter.command(__name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert maker.stdin is not None and maker.stdout is not None
    descriptors: list[int] = []
    try:
        answer = maker.stdout.readline().split()
        if not answer or answer[0] != _READY:
            reason = b" ".join(answer).decode() or "the process that was to make it ended"
            raise UnavailableError(reason)
        for kind in answer[1:]:
            path = f"/proc/{maker.pid}/ns/{kind.decode()}"
            descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        maker.communicate()
        yield descriptors
    finally:
        maker.kill()
        maker.wait()
        maker.stdin.close()
        maker.stdout.close()
        for descriptor in descriptors:
            os.close(descriptor)


@contextlib.contextmanager
def create_if_possible(note: Callable[[UnavailableError], None]) -> Iterator[Sequence[int]]:
    """Like `create`; where networks are not allowed, calls `note` and yields no descriptors."""
    with contextlib.ExitStack() as stack:
        network: Sequence[int] = ()
        try:
            network = stack.enter_context(create())
        except UnavailableError as error:
            note(error)
        yield network


def join(descriptors: Sequence[int]) -> None:
    """Moves this process, which must have only one thread, into the network.

    Raises:
        OSError: the kernel does not allow it.
    """
    for descriptor in descriptors:
        _call("setns", descriptor, 0)
        os.close(descriptor)


def _make() -> None:
    """Makes the network in this process, tells the parent, and waits until that has opened it."""
    kinds = [b"net"]
    user, group = os.getuid(), os.getgid()
    try:
        try:
            _call("unshare", _CLONE_NEWNET)
        except PermissionError:
            if user == 0:
                # In a user namespace of one user, root could not write other users' files any
                # more, and run folders are often theirs (in containers).
                raise
            _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET)
            kinds = [b"user", b"net"]
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
        _bring_loopback_up()
    except OSError as error:
        print(error.strerror, flush=True)
        return
    sys.stdout.buffer.write(b" ".join([_READY, *kinds]) + b"\n")
    sys.stdout.flush()
    sys.stdin.read()


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = b"lo"
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh22x", name, 0))
        flags = struct.unpack_from("16sh", answer)[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", name, flags | _IFF_UP))


def _call(function: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        # With the number, Python makes it a PermissionError where it is one.
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    _make()
