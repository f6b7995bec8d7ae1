"""`quinoa train` beside the fastest SAC, CrossQ and TD3 that a user can install today.

All learn HalfCheetah-v5 with one gradient step for each environment step, batches of 256, layers of
256-256, on all cores of this machine. Each peer is tried once, which chooses PyTorch's number of
threads and counts the matrix products of a gradient step; then all are timed in turns.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
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
}
_AGENTS = ("iq", "sac")


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

    ours: dict[str, list[float]] = {agent: [] for agent in _AGENTS}
    theirs: dict[peers.Peer, list[float]] = {peer: [] for peer in threads}
    for index in range(_ROUNDS):
        sides: list[str | peers.Peer] = [*_AGENTS, *theirs]
        # As in `in_turns`; but a peer that fails now leaves the others their rounds.
        for side in sides if index % 2 == 0 else reversed(sides):
            if isinstance(side, str):
                ours[side].append(announced(f"quinoa train, {side}", partial(_ours, side))())
                continue
            try:
                speed = announced(side.name, partial(_theirs, side, threads[side]))()
                theirs[side].append(speed)
            except peers.PeerError as error:
                del theirs[side]
                failed.append(side.name)
                _say(str(error))
    for agent in _AGENTS:
        for peer, speeds in theirs.items():
            yield Comparison(
                "system",
                f"{peers.TASK}, {agent}, one gradient step for each environment step",
                "steps/s",
                tuple(ours[agent]),
                peer.name,
                tuple(speeds),
                _GOALS.get((agent, peer)),
                note=f"GFLOP a gradient step: {_our_gflop(agent):.2f}, theirs {gflop[peer]:.2f}",
            )
    if failed:
        raise peers.PeerError(f"Did not run, as said above: {', '.join(failed)}.")


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


def _ours(agent: str) -> float:
    flags = (
        *(f"--env=gym:{peers.TASK}", f"--agent={agent}", "--num_actors=1"),
        *(f"--samples_per_insert={peers.BATCH_SIZE}", f"--set=batch_size={peers.BATCH_SIZE}"),
        f"--set=hidden_sizes={','.join(map(str, peers.LAYERS))}",
    )
    with training(*flags) as run:
        run.wait_for_learner()
        speed = run.speed(_SECONDS, after_s=_SETTLE_S)
    peers.check_ratio("ours", speed.learner_steps_per_second, speed.actor_steps_per_second)
    return speed.actor_steps_per_second


@functools.cache
def _our_gflop(agent: str) -> float:
    settings = {"hidden_sizes": peers.LAYERS, "batch_size": peers.BATCH_SIZE}
    arguments = {"task": f"gym:{peers.TASK}", "agent": agent, "settings": settings}
    return float(stage.call("benchmarks.arithmetic:flop_of_a_step", arguments)) / 1e9


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)
