"""The peers that we are measured beside, each run by the interpreter of its own environment."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import stage
from benchmarks.measure import BenchmarkError

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks" / "peers"
# Several times what the slowest takes: LeanRL, whose functions PyTorch compiles first.
_TIMEOUT_S = 300.0

# Environment steps before the first gradient step.
LEARNING_STARTS = 1000


@dataclasses.dataclass(frozen=True)
class Setting:
    """What peers have alike, and ours beside them.

    Attributes:
        task: an id of Gymnasium.
        batch_size: transitions in a gradient step.
        layers: the units of all networks.
        environments: that a peer steps together.
        steps_per_update: environment steps for each gradient step.
    """

    task: str
    batch_size: int
    layers: tuple[int, ...]
    environments: int = 1
    steps_per_update: int = 1

    def __str__(self) -> str:
        """The task, and how much is learned."""
        many = f"{self.steps_per_update} environment steps"
        of = "each environment step" if self.steps_per_update == 1 else many
        return f"one gradient step for {of}"


CHEETAH = Setting("HalfCheetah-v5", 256, (256, 256))
# The batch and the layers of CleanRL's DQN, which fixes the latter.
CART_POLE_DQN = Setting("CartPole-v1", 128, (120, 84))
# Sixteen environments with five steps each, as A2C here; the layers are those of both libraries.
CART_POLE_A2C = Setting("CartPole-v1", 80, (64, 64), environments=16, steps_per_update=80)


class PeerError(BenchmarkError):
    """A peer is not there, or failed."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """A system that acts and learns in one process, at the rate of its setting.

    Attributes:
        name: whose it is, and which algorithm.
        setting: what it has alike with others.
        environment: .venv-ENVIRONMENT has it, which scripts/peers.sh makes.
        script: its name in `benchmarks/peers`.
        flags: the script's, less those on time and threads.
        arguments: what follows the flags.
        threads: the numbers of PyTorch's threads to try; with none, those that it takes itself.
    """

    name: str
    setting: Setting
    environment: str
    script: str
    flags: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether its environment is there."""
        return interpreter(self.environment).exists()

    def run(
        self, seconds: float, *, threads: int | None, count_products: bool = False
    ) -> dict[str, float]:
        """Trains, and times it for so long once it has warmed up.

        Returns:
            What `Window.is_over` of `benchmarks/peers/window.py` says: steps_per_second and
            updates_per_second among others, and gflop with `count_products`.

        Raises:
            PeerError: it failed, or made more or fewer gradient steps than its setting has.
        """
        flags = [*self.flags, f"--seconds={seconds}"]
        flags.append(f"--steps_per_update={self.setting.steps_per_update}")
        if threads is not None:
            flags.append(f"--threads={threads}")
        if count_products:
            flags.append("--count_products")
        figures = run(self.environment, self.script, *flags, *self.arguments)
        check_ratio(
            self.name,
            figures["updates_per_second"],
            figures["steps_per_second"],
            self.setting.steps_per_update,
        )
        return figures


def _stable_baselines(
    environment: str, algorithm: str, setting: Setting = CHEETAH
) -> dict[str, Any]:
    return {
        "setting": setting,
        "environment": environment,
        "script": "stable_baselines.py",
        "flags": (
            f"--algorithm={algorithm}",
            *(f"--task={setting.task}", f"--batch_size={setting.batch_size}"),
            f"--layers={','.join(map(str, setting.layers))}",
            *(f"--environments={setting.environments}", f"--learning_starts={LEARNING_STARTS}"),
        ),
    }


def _single_file(
    environment: str,
    script: str,
    updates: str,
    arguments: tuple[str, ...] = (),
    setting: Setting = CHEETAH,
) -> dict[str, Any]:
    """Of a script that has the setting's layers as it is."""
    own = (f"--env-id={setting.task}", f"--batch-size={setting.batch_size}")
    return {
        "setting": setting,
        "environment": environment,
        "script": "single_file.py",
        "flags": (f"--updates={updates}", f"--learning_starts={LEARNING_STARTS}"),
        "arguments": (f"{ROOT}/.venv-{environment}/source/{script}", *own, *arguments),
    }


_CLEANRL_SAC = "cleanrl/sac_continuous_action.py"
_CLEANRL_DQN = "cleanrl/dqn.py"
_CLEANRL_TD3 = "cleanrl/td3_continuous_action_jax.py"
_LEANRL_SAC = "leanrl/sac_continuous_action_torchcompile.py"

SB3_SAC = Peer(
    "Stable-Baselines3's SAC",
    **_stable_baselines("sb3", "stable_baselines3.SAC"),
    threads=(1, 2),
)
SBX_SAC = Peer("SBX's SAC (JAX)", **_stable_baselines("sbx", "sbx.SAC"))
SBX_CROSSQ = Peer("SBX's CrossQ (JAX)", **_stable_baselines("sbx", "sbx.CrossQ"))
CLEANRL_SAC = Peer(
    "CleanRL's SAC", **_single_file("cleanrl", _CLEANRL_SAC, "q_optimizer"), threads=(1, 2)
)
# CleanRL has no SAC in JAX.
CLEANRL_TD3 = Peer("CleanRL's TD3 (JAX)", **_single_file("cleanrl", _CLEANRL_TD3, "qf1_state"))
LEANRL_SAC = Peer(
    "LeanRL's SAC (torch.compile)",
    **_single_file("leanrl", _LEANRL_SAC, "q_optimizer", ("--compile",)),
    threads=(1, 2),
)
SB3_DQN = Peer(
    "Stable-Baselines3's DQN",
    **_stable_baselines("sb3", "stable_baselines3.DQN", CART_POLE_DQN),
    threads=(1, 2),
)
CLEANRL_DQN = Peer(
    "CleanRL's DQN",
    **_single_file("cleanrl", _CLEANRL_DQN, "optimizer", ("--train-frequency=1",), CART_POLE_DQN),
    threads=(1, 2),
)
SB3_A2C = Peer(
    "Stable-Baselines3's A2C",
    **_stable_baselines("sb3", "stable_baselines3.A2C", CART_POLE_A2C),
    threads=(1, 2),
)
PEERS = (
    *(SB3_SAC, SBX_SAC, SBX_CROSSQ, CLEANRL_SAC, CLEANRL_TD3, LEANRL_SAC),
    *(SB3_DQN, CLEANRL_DQN, SB3_A2C),
)

# Those that scripts/peers.sh leaves out where their repository cannot be reached.
_MAY_BE_LEFT_OUT = ("cleanrl", "leanrl")


# Those that it makes on every machine.
_ALWAYS = tuple(
    environment
    for environment in ("acme", *dict.fromkeys(peer.environment for peer in PEERS))
    if environment not in _MAY_BE_LEFT_OUT
)


def require(environments: Iterable[str] = _ALWAYS, command: str = "make bench-peers") -> None:
    """Checks that environments are there.

    Args:
        environments: by default those that scripts/peers.sh makes on every machine.
        command: what makes them, and runs what needs them.

    Raises:
        PeerError: one is not.
    """
    for environment in environments:
        if not interpreter(environment).exists():
            raise PeerError(f"{environment} is not installed: {command} does that, and runs this.")


def run(environment: str, script: str, *flags: str) -> dict[str, Any]:
    """Runs a script of `benchmarks/peers` to its end.

    Args:
        environment: .venv-ENVIRONMENT has the interpreter.
        script: its path in `benchmarks/peers`.
        *flags: its flags.

    Returns:
        What it prints as the last line of its output.

    Raises:
        PeerError: it failed, or took longer than five minutes.
    """
    command = [str(interpreter(environment)), str(FOLDER / script), *flags]
    # Their servers listen to the whole network, as ours would.
    with stage.network() as network:
        status, output, errors = stage.call(
            "benchmarks.peers:execute", {"command": command}, network=network
        )
    if status:
        raise PeerError(f"{' '.join(command)} failed:\n{errors[-2000:]}")
    return dict(json.loads(output.strip().splitlines()[-1]))


def execute(command: list[str]) -> tuple[int, str, str]:
    """A stage: runs a command; returns its exit status, its output and its errors."""
    # A stage has TensorFlow's threads set, which is ours to choose, not a peer's.
    theirs = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    try:
        # MuJoCo writes its warnings to a file in the current folder.
        with tempfile.TemporaryDirectory(prefix="quinoa-bench-") as folder:
            done = subprocess.run(
                command,
                env=theirs,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return 1, "", f"It took longer than {_TIMEOUT_S:.0f} s, and was ended."
    return done.returncode, done.stdout, done.stderr


def check_ratio(
    whose: str, updates_per_second: float, steps_per_second: float, steps_per_update: int = 1
) -> None:
    """Raises `PeerError` unless there was about a gradient step for so many environment steps."""
    wanted = steps_per_second / steps_per_update
    if not 0.9 * wanted < updates_per_second < 1.1 * wanted:
        raise PeerError(
            f"{whose}: {updates_per_second:.0f} gradient steps/s and {steps_per_second:.0f} "
            "environment steps/s: the ratio was not kept."
        )


def interpreter(environment: str) -> Path:
    """The Python that has the peers of an environment; it may be missing."""
    return ROOT / f".venv-{environment}" / "bin" / "python"
