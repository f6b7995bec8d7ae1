"""`quinoa train` beside the fastest SAC, CrossQ, TD3, DQN and A2C that a user can install today.

What is compared learns the same task with as many gradient steps, as large batches and the same
layers (`peers.Setting`), on all cores of this machine. Each peer is tried once, which chooses
PyTorch's number of threads and counts the matrix products of a gradient step; then all of one
setting are timed in turns.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from benchmarks import peers, stage
from benchmarks.measure import Comparison, announced
from benchmarks.training import training

_SECONDS = 20.0
_TRIAL_SECONDS = 5.0
_ROUNDS = 3
# From the first gradient step to the beginning of the window, ours and theirs.
_SETTLE_S = 5.0
# The least ratio of ours, by agent and peer. SAC beside SAC is the same algorithm.
_GOALS = {
    ("iq", peers.SB3_SAC): 5.0,
    ("iq", peers.SBX_SAC): 3.0,
    ("sac", peers.SB3_SAC): 3.0,
    ("sac", peers.SBX_SAC): 2.0,
    ("dqn", peers.SB3_DQN): 3.0,
    ("a2c", peers.SB3_A2C): 3.0,
}
_AGENTS = {
    peers.CHEETAH: ("iq", "sac"),
    peers.CART_POLE_DQN: ("dqn",),
    peers.CART_POLE_A2C: ("a2c",),
}


def run() -> Iterator[Comparison]:
    """Compares with those peers that are installed and run.

    Raises:
        PeerError: at the end, where one of them did not run.
    """
    failed: list[str] = []
    threads: dict[peers.Peer, int | None] = {}
    gflop: dict[peers.Peer, float] = {}
    for peer in peers.PEERS:
        if not peer.is_installed:
            _say(f"{peer.name} is left out: scripts/peers.sh {peer.environment} installs it.")
            continue
        try:
            threads[peer], gflop[peer] = _try(peer)
        except peers.PeerError as error:
            failed.append(peer.name)
            _say(str(error))

    for setting, agents in _AGENTS.items():
        if any(peer.setting == setting for peer in threads):
            yield from _compare(setting, agents, threads, gflop, failed)
    if failed:
        raise peers.PeerError(f"Did not run, as said above: {', '.join(failed)}.")


def _compare(
    setting: peers.Setting,
    agents: Sequence[str],
    threads: Mapping[peers.Peer, int | None],
    gflop: Mapping[peers.Peer, float],
    failed: list[str],
) -> Iterator[Comparison]:
    """Times agents and the peers of one setting in turns; adds those that fail to `failed`."""
    ours: dict[str, list[float]] = {agent: [] for agent in agents}
    theirs: dict[peers.Peer, list[float]] = {
        peer: [] for peer in threads if peer.setting == setting
    }
    for index in range(_ROUNDS):
        sides: list[str | peers.Peer] = [*ours, *theirs]
        # As in `in_turns`; but a peer that fails now leaves the others their rounds.
        for side in sides if index % 2 == 0 else reversed(sides):
            if isinstance(side, str):
                speed = announced(f"quinoa train, {side}", partial(_ours, side, setting))()
                ours[side].append(speed)
                continue
            try:
                speed = announced(side.name, partial(_theirs, side, threads[side]))()
                theirs[side].append(speed)
            except peers.PeerError as error:
                del theirs[side]
                failed.append(side.name)
                _say(str(error))
    for agent in agents:
        for peer, speeds in theirs.items():
            yield Comparison(
                "system",
                f"{setting.task}, {agent}, {setting}",
                "steps/s",
                tuple(ours[agent]),
                peer.name,
                tuple(speeds),
                _GOALS.get((agent, peer)),
                note=(
                    f"GFLOP a gradient step: {_our_gflop(agent, setting):.2g}, theirs "
                    f"{gflop[peer]:.2g}"
                ),
            )


def _try(peer: peers.Peer) -> tuple[int | None, float]:
    """The number of threads with which a peer is fastest, and the GFLOP of a gradient step."""
    numbers = peer.threads or (None,)
    speeds: dict[int | None, float] = {}
    gflop = 0.0
    for threads in numbers:

        def trial(threads: int | None = threads) -> float:
            nonlocal gflop
            # The products are the same with any number of threads.
            figures = peer.run(
                _TRIAL_SECONDS, threads=threads, count_products=threads == numbers[0]
            )
            gflop = figures.get("gflop", gflop)
            return figures["steps_per_second"]

        name = f"trial of {peer.name}, threads: {threads or 'its own choice'}"
        speeds[threads] = announced(name, trial)()
    return max(speeds, key=speeds.__getitem__), gflop


def _theirs(peer: peers.Peer, threads: int | None) -> float:
    return peer.run(_SECONDS, threads=threads)["steps_per_second"]


def _ours(agent: str, setting: peers.Setting) -> float:
    flags = [
        *(f"--env=gym:{setting.task}", f"--agent={agent}", "--num_actors=1"),
        f"--set=batch_size={setting.batch_size}",
        f"--set=hidden_sizes={','.join(map(str, setting.layers))}",
    ]
    if setting.environments > 1:
        flags.append(f"--environments_per_actor={setting.environments}")
    else:
        flags.append(f"--samples_per_insert={setting.batch_size // setting.steps_per_update}")
    with training(*flags) as run:
        run.wait_for_learner()
        speed = run.speed(_SECONDS, after_s=_SETTLE_S)
    peers.check_ratio(
        "ours",
        speed.learner_steps_per_second,
        speed.actor_steps_per_second,
        setting.steps_per_update,
    )
    return speed.actor_steps_per_second


@functools.cache
def _our_gflop(agent: str, setting: peers.Setting) -> float:
    settings = {"hidden_sizes": setting.layers, "batch_size": setting.batch_size}
    arguments = {"task": f"gym:{setting.task}", "agent": agent, "settings": settings}
    return float(stage.call("benchmarks.arithmetic:flop_of_a_step", arguments)) / 1e9


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)
