"""Slurm on hosts made of namespaces: Debian's packages, with a configuration of our own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from pathlib import Path

from tests.cluster.hosts import Host, Hosts

# Debian has its daemons where users do not look for programs.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

_CONFIGURATION = """\
ClusterName=quinoa
SlurmctldHost={controller}({address})
SlurmUser=root
AuthType=auth/munge
# Neither needs anything of the machine that hosts made of namespaces share.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
# Each host has its own /run and /tmp.
StateSaveLocation=/run/slurm/state
SlurmdSpoolDir=/run/slurm/spool
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmctldLogFile=/tmp/slurmctld.log
SlurmdLogFile=/tmp/slurmd.log
MailProg=/bin/true
# A host that does not answer is found out within seconds, and comes back by itself.
SlurmdTimeout=10
ReturnToService=2
KillWait=10
{nodes}
PartitionName=all Nodes=ALL Default=YES
"""


def why_not() -> str | None:
    """Why Slurm cannot be started here, in a line; `None` where it can."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"Slurm is not installed ({', '.join(missing)} missing): `make test-cluster` does it"
    return None


class Slurm:
    """Slurm on hosts: the first has the controller, and all of them take jobs."""

    def __init__(self, hosts: Hosts, cpus: int = 2) -> None:
        """Starts it, and waits until all hosts take jobs.

        Args:
            hosts: where; they end it when they are switched off.
            cpus: how many each host says that it has.

        Raises:
            AssertionError: it did not start, with what it says of its hosts.
        """
        self._hosts = hosts
        folder = hosts.shared / "slurm"
        folder.mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        nodes = [f"NodeName={host.name} NodeAddr={host.address} CPUs={cpus}" for host in hosts]
        configuration = folder / "slurm.conf"
        head = hosts.head
        text = _CONFIGURATION.format(
            controller=head.name, address=head.address, nodes="\n".join(nodes)
        )
        configuration.write_text(text)
        version = "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1"
        (folder / "cgroup.conf").write_text(f"CgroupPlugin=cgroup/{version}\n")
        for host in hosts:
            host.environment |= {"SLURM_CONF": str(configuration)}
            self.start(host)
        deadline = time.monotonic() + 60
        while (idle := self._states().count("idle")) < len(hosts):
            assert time.monotonic() < deadline, (idle, self.run("sinfo --long --Node"))
            time.sleep(0.2)

    def start(self, host: Host) -> None:
        """Starts its daemons on a host, as after the host was switched on again."""
        folder = self._hosts.shared / "slurm"
        # The name says which socket clients use.
        munged = f"munged --key-file={folder / 'munge.key'} --seed-file=/run/munge/seed"
        munged += " --log-file=/run/munge/log --pid-file=/run/munge/pid"
        controller = "slurmctld" if host is self._hosts.head else "true"
        lines = ["mkdir -p /run/munge /run/slurm/state /run/slurm/spool", "chmod 755 /run/munge"]
        lines += [munged, controller, f"slurmd -N {host.name}"]
        host.run(" && ".join(lines), env={"PATH": f"{host.variables()['PATH']}:/usr/sbin"})

    def run(self, command: str, check: bool = True) -> str:
        """Runs one of Slurm's commands on the head, as its user would; returns what it prints."""
        return self._hosts.head.run(command, check=check, cwd=self._hosts.shared).stdout

    def submit(self, script: Path, *arguments: str, options: str = "", env=None) -> int:
        """Submits a script and returns the number of its job."""
        words = ["sbatch", "--parsable", *options.split(), str(script), *arguments]
        done = self._hosts.head.run(words, cwd=self._hosts.shared, env=env or {})
        return int(done.stdout)

    def state(self, job: int) -> str:
        """The state of a job, such as RUNNING or COMPLETED."""
        found = re.search(r"JobState=(\w+)", self.run(f"scontrol show job {job}"))
        assert found is not None
        return found[1]

    def _states(self) -> list[str]:
        return self.run("sinfo --noheader --Node --format=%T", check=False).split()
