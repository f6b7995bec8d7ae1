"""Many hosts on one machine: namespaces joined by a bridge, whose links and disks can fail.

    with Hosts(3) as hosts:
        hosts["h2"].run(["ping", "-c1", "h1"])
        hosts["h2"].slow(latency_ms=20, loss=0.01)
        hosts["h3"].kill()
        hosts.add()

Nothing of a host outlives the process that made it: its first process ends with that process, and
the kernel then removes its processes, interfaces and mounts. What is left is a folder under
`STATE`, which the next `Hosts` removes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tests.cluster.machine import ROOT, Machine, MachineProcess

_Self = TypeVar("_Self", bound="Hosts")

# Not in /tmp, of which each host has one of its own.
STATE = Path("/var/tmp/quinoa-hosts")
_FILLER = "/tmp/filler"
# How many packets Linux hands to an interface at once, unless it is told otherwise.
_SEGMENTS = 65535


@functools.cache
def why_not() -> str | None:
    """Why there can be no hosts here, in a line; `None` where there can be."""
    if os.geteuid() != 0:
        return "hosts need root: network namespaces are made for them"
    for program in ("ip", "nsenter", "unshare"):
        if shutil.which(program) is None:
            return f"hosts need the program {program} (Debian: iproute2, util-linux)"
    probe = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--mount-proc"]
    # A bridge and a tunnel, for both may be left out of a kernel.
    probe += [
        "sh",
        "-ec",
        "ip link add name probe0 type bridge; ip tuntap add name probe1 mode tap",
    ]
    done = subprocess.run(probe, capture_output=True, text=True)
    if done.returncode != 0:
        return f"hosts need namespaces, which this machine refuses: {done.stderr.strip()}"
    return None


class Host(Machine):
    """A host with an address and a link to the others, which are named h1, h2 and so on.

    Attributes:
        address: its IP address.
    """

    def __init__(self, number: int, switch: Machine, **settings) -> None:
        """Describes a host that is off; `settings` are those of `Machine`."""
        super().__init__(f"h{number}", **settings)
        self._number = number
        self.address = f"10.77.{number >> 8}.{number & 255}"
        self._switch = switch
        self._shaping: MachineProcess | None = None

    def boot(self) -> None:
        """Switches it on, with its link up."""
        super().boot()
        link = f"link add name {self.name} type veth peer name eth0 netns {self.pid}"
        # The same each time it is switched on: the others remember it.
        link += f" address 02:00:00:00:{self._number >> 8:02x}:{self._number & 255:02x}"
        _ip(self._switch.pid, link, f"link set {self.name} master switch up")
        _ip(
            self.pid,
            f"address add {self.address}/16 dev eth0",
            "link set eth0 up",
            # Nothing is there, but programs find out by it which address is theirs.
            "route add default dev eth0",
        )

    def kill(self) -> None:
        """Switches it off: first its link, so that nobody hears from it that it ends."""
        if self.is_up and self._switch.is_up:
            self.cut()
            self.slow()
            _ip(self._switch.pid, f"link delete {self.name}")
        super().kill()

    def cut(self) -> None:
        """Takes its link down, as when the cable is pulled."""
        _ip(self._switch.pid, f"link set {self.name} down")

    def mend(self) -> None:
        """Takes its link up again."""
        _ip(self._switch.pid, f"link set {self.name} up")

    def slow(self, latency_ms: float = 0, loss: float = 0, mbit: float = 0) -> None:
        """Makes its link a slow or a lossy one; without arguments, as it was.

        Args:
            latency_ms: what each packet waits, each way.
            loss: the share of packets that are lost, each way.
            mbit: the link's speed in Mbit/s, each way; 0 for no limit.
        """
        if self._shaping is not None:
            self._shaping.kill()
            self._shaping.communicate()
            self._shaping = None
            _ip(self._switch.pid, f"link set {self.name} master switch")
            _ip(self.pid, f"link set eth0 gso_max_segs {_SEGMENTS}")
        if latency_ms or loss or mbit:
            _ip(self._switch.pid, f"link set {self.name} nomaster")
            # A packet at a time, as on a wire: otherwise 64 kB are lost, or wait, together.
            _ip(self.pid, "link set eth0 gso_max_segs 1")
            shaped = [self.name, latency_ms, loss, mbit]
            script = Path(__file__).parent / "shaping.py"
            self._shaping = self._switch.popen([sys.executable, "-I", script, *map(str, shaped)])
            if self._shaping.line() != "up":
                raise RuntimeError(self._shaping.communicate()[1])
            _ip(self._switch.pid, f"link set {self.name}-slow master switch up")

    def fill_disk(self) -> None:
        """Writes into its /tmp until nothing more fits."""
        with contextlib.suppress(OSError), self.path(_FILLER).open("ab", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        assert shutil.disk_usage(self.path("/tmp")).free == 0, errno.ENOSPC

    def free_disk(self) -> None:
        """Removes what `fill_disk` has written."""
        self.path(_FILLER).unlink(missing_ok=True)


class Hosts:
    """Hosts that reach one another, and no others.

    Attributes:
        shared: a folder that all of them and the tests see at the same path.
    """

    def __init__(self, count: int, *, disk_mb: int = 512, share: Sequence[Path] = ()) -> None:
        """Describes hosts; a `with` block makes them.

        Args:
            count: how many there are at first.
            disk_mb: how much the /tmp of each takes.
            share: further folders that all see at the same path, as the tests' own in /tmp, of
                which they would otherwise see nothing. Folders that are not in /tmp or /run are
                shared anyway.
        """
        self._count = count
        self._disk_mb = disk_mb
        # The repository and the environment may be in /tmp themselves.
        folders = [ROOT, Path(sys.prefix), Path(sys.base_prefix), *share]
        hidden = (Path("/tmp"), Path("/run"), Path("/dev/shm"))
        self._share = [each for each in folders if any(path in each.parents for path in hidden)]
        self._all: list[Host] = []
        self._closing = contextlib.ExitStack()

    def __enter__(self: _Self) -> _Self:
        """Makes them.

        Raises:
            RuntimeError: this machine has no namespaces for them, or not for us.
        """
        reason = why_not()
        if reason is not None:
            raise RuntimeError(reason)
        with contextlib.ExitStack() as closing:
            self._folder = closing.enter_context(_state_folder())
            self.shared = self._folder / "shared"
            self.shared.mkdir()
            self._names = self._folder / "names"
            self._names.write_text("127.0.0.1 localhost\n::1 localhost\n")
            self._switch = Machine("switch", self._folder / "switch", 16, self._share)
            closing.callback(self._switch.kill)
            self._switch.boot()
            _ip(self._switch.pid, "link add name switch type bridge", "link set switch up")
            closing.callback(self._kill_all)
            self._start(self._count)
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._closing.close()

    def __iter__(self) -> Iterator[Host]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, name: str) -> Host:
        """A host by its name: h1, h2 and so on, in the order in which they were added."""
        return {host.name: host for host in self._all}[name]

    @property
    def head(self) -> Host:
        """The first of them."""
        return self._all[0]

    def add(self) -> Host:
        """Makes one more."""
        (host,) = self._start(1)
        return host

    def _start(self, count: int) -> list[Host]:
        """Makes hosts and switches them on."""
        new = []
        for _ in range(count):
            number = len(self._all) + 1
            settings = {"disk_mb": self._disk_mb, "shared": self._share}
            host = Host(number, self._switch, folder=self._folder / f"h{number}", **settings)
            self._all.append(host)
            # In place: the hosts have this very file as their /etc/hosts.
            with self._names.open("a") as names:
                names.write(f"{host.address} {host.name}\n")
            host.boot()
            new.append(host)
        return new

    def _kill_all(self) -> None:
        for host in self._all:
            host.kill()


def _ip(pid: int, *lines: str) -> None:
    """Runs lines of `ip` in the network of a process.

    Raises:
        RuntimeError: one of them failed.
    """
    command = ["nsenter", f"--target={pid}", "--net", "ip", "-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {'; '.join(lines)}: {done.stderr.strip()}")


@contextlib.contextmanager
def _state_folder() -> Iterator[Path]:
    """A folder for as long as the block runs; those that nobody uses any more are removed."""
    STATE.mkdir(exist_ok=True)
    with contextlib.ExitStack() as locks:
        with _locked(STATE):
            for left in STATE.iterdir():
                with contextlib.suppress(BlockingIOError), _locked(left, wait=False):
                    shutil.rmtree(left)
            folder = Path(tempfile.mkdtemp(prefix="", dir=STATE))
            locks.enter_context(_locked(folder))
        folder.chmod(0o755)
        yield folder
        shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Locks a folder, until the block or the process ends.

    Raises:
        BlockingIOError: another process has the lock, and we were not to wait for it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
