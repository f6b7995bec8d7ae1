"""A machine made of namespaces: processes, network, mounts and a name of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

import psutil

ROOT = Path(__file__).parents[2]
_FIRST_PROCESS = Path(__file__).parent / "host.sh"
_NAMESPACES = ["--mount", "--uts", "--ipc", "--net", "--pid"]

Command = str | Sequence[str | Path]
Environment = Mapping[str, str | None]


class MachineProcess(subprocess.Popen[str]):
    """A process on a machine: a `Popen` whose signals reach it.

    What `Popen` has started is `nsenter`, whose child the process is, and which ends as it does.
    """

    def line(self) -> str:
        """The next line of its output, without its end; waits for it."""
        assert self.stdout is not None
        return self.stdout.readline().rstrip("\n")

    def send_signal(self, sig: int) -> None:
        """Sends a signal, unless the process has ended."""
        if self.poll() is not None:
            return
        try:
            (child,) = psutil.Process(self.pid).children()
            child.send_signal(sig)
        except (ValueError, psutil.NoSuchProcess):
            # Not started yet, or just ended.
            super().send_signal(sig)


class Machine:
    """Namespaces with a first process, which ends when this process does, however it ends.

    Attributes:
        name: its host name.
        environment: variables for all that runs on it; `None` takes one away.
    """

    def __init__(self, name: str, folder: Path, disk_mb: int, shared: Sequence[Path] = ()) -> None:
        """Describes a machine that is off.

        Args:
            name: its host name.
            folder: of its own, on the real machine; beside it lies `names`, its /etc/hosts.
            disk_mb: how much its /tmp takes.
            shared: folders in the real /tmp or /run that it sees at the same paths.
        """
        self.name = name
        self.environment: dict[str, str | None] = {}
        self._folder = folder
        self._disk_mb = disk_mb
        self._shared = shared
        self._holder: subprocess.Popen[str] | None = None
        self._first: psutil.Process | None = None

    @property
    def is_up(self) -> bool:
        """Whether it is switched on."""
        return self._first is not None

    def boot(self) -> None:
        """Switches it on.

        Raises:
            RuntimeError: it could not be made, with the reason.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        arguments = [self.name, self._folder, self._disk_mb, *self._shared]
        command = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
        self._holder = subprocess.Popen(
            [*command, _FIRST_PROCESS, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the tests, which then switch the machines off.
            start_new_session=True,
        )
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != "up\n":
            raise RuntimeError(f"no host {self.name}: {self._holder.stderr.read().strip()}")
        (self._first,) = psutil.Process(self._holder.pid).children()

    def kill(self) -> None:
        """Switches it off, as a power cut does: the kernel kills every process of its namespace."""
        if self._holder is None:
            return
        if self._first is not None and self._first.is_running():
            # It ends last of all, and then what has started it.
            self._first.kill()
        else:
            self._holder.kill()
        self._holder.communicate()
        self._holder = self._first = None

    @property
    def pid(self) -> int:
        """The first process, by its number on the real machine."""
        if self._first is None:
            raise RuntimeError(f"{self.name} is switched off.")
        return self._first.pid

    def path(self, path: str | Path) -> Path:
        """Where the real machine sees an absolute path of this one, such as one in its /tmp."""
        return Path(f"/proc/{self.pid}/root") / Path(path).relative_to("/")

    def popen(
        self,
        command: Command,
        *,
        env: Environment = MappingProxyType({}),
        cwd: str | Path = ROOT,
        stdout: int | IO[str] | None = subprocess.PIPE,
        stderr: int | IO[str] | None = subprocess.PIPE,
    ) -> MachineProcess:
        """Starts a command; `python` and installed programs are those of the tests.

        Args:
            command: words, or a line for Bash.
            env: variables beside the machine's; `None` takes one away.
            cwd: the folder it starts in, as the machine sees it.
            stdout: as for `subprocess.Popen`.
            stderr: likewise.
        """
        words = ["bash", "-c", command] if isinstance(command, str) else [*map(str, command)]
        return MachineProcess(
            ["nsenter", f"--target={self.pid}", *_NAMESPACES, f"--wd={cwd}", "--", *words],
            env=self.variables(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )

    def run(
        self,
        command: Command,
        *,
        env: Environment = MappingProxyType({}),
        cwd: str | Path = ROOT,
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, as `popen` starts it.

        Raises:
            AssertionError: it failed (unless `check` is false), with what it said.
            subprocess.TimeoutExpired: it took longer; it has been killed.
        """
        with self.popen(command, env=env, cwd=cwd) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        done = subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
        assert not check or done.returncode == 0, f"{self.name}: {command}\n{stdout}\n{stderr}"
        return done

    def python(self, code: str, *arguments: str, timeout: float = 60) -> str:
        """Runs a Python program with the tests' interpreter and returns what it prints."""
        return self.run([sys.executable, "-c", code, *arguments], timeout=timeout).stdout

    def variables(self, env: Environment = MappingProxyType({})) -> dict[str, str]:
        """The environment of a command that is run with `env`."""
        variables: dict[str, str | None] = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "SLURM_", "PYTEST_"))
        }
        variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # The tests' own folders are not what a user of the host has.
        variables |= {"HOME": "/tmp/home", "TMPDIR": None, "HOSTNAME": self.name}
        variables |= self.environment | dict(env)
        return {name: value for name, value in variables.items() if value is not None}
