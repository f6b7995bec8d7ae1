"""Acme 0.4.0 acting on one core: how many environment steps it makes a second.

    .venv-acme/bin/python benchmarks/peers/acme/actor.py --task=cheetah:run --seconds=10

Acme's `EnvironmentLoop` runs a `FeedForwardActor`, whose policy is one `tf.function` call for each
step, and an `NStepTransitionAdder(n_step=1)`, which writes over gRPC to a Reverb server in another
process: the classes that `acme.agents.tf.d4pg` makes its actors of, with the same policy (D4PG's
network and clipped Gaussian noise).

What makes it fair: there is no learner, and nobody samples, so nothing but acting is measured. The
actor's process has one core, and knows so before TensorFlow sizes its thread pools; the server has
the others, if there are others. Tracing the policy falls into the episode before the window. The
window ends with an episode, and its resets count. The actor is spared the updates of its parameters
and the wrapper that clips actions, which Acme's examples have.

The last line on stdout is one JSON object: `steps_per_second`, `resident_mb` (MiB, of the acting
process at the end), `steps` and `seconds` (of the window).
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from multiprocessing.connection import Connection

# Before TensorFlow, dm_control and Acme are imported, which is done inside the functions: the cores
# that a process may use have to be set before its libraries start their threads.
os.environ.update(CUDA_VISIBLE_DEVICES="-1", MUJOCO_GL="disable", TF_CPP_MIN_LOG_LEVEL="3")


def serve(task: str, cores: set[int], pipe: Connection) -> None:
    """Runs the Reverb server on `cores`: sends its port, stops when the pipe's other end is closed.

    That happens when the acting process is done, and when it dies.
    """
    os.sched_setaffinity(0, cores)
    import common
    import reverb
    from acme import specs
    from acme.adders import reverb as adders

    spec = specs.make_environment_spec(common.make_environment(task))
    table = reverb.Table(
        name=adders.DEFAULT_PRIORITY_TABLE,
        sampler=reverb.selectors.Uniform(),
        remover=reverb.selectors.Fifo(),
        max_size=1_000_000,
        rate_limiter=reverb.rate_limiters.MinSize(1),
        signature=adders.NStepTransitionAdder.signature(spec),
    )
    with tempfile.TemporaryDirectory(prefix="acme-") as folder:
        # Reverb would make a folder for checkpoints itself, and leave it.
        checkpointer = reverb.checkpointers.DefaultCheckpointer(folder)
        server = reverb.Server([table], port=None, checkpointer=checkpointer)
        with contextlib.suppress(EOFError, OSError):
            pipe.send(server.port)
            pipe.recv()
        server.stop()


def act(task: str, core: int, seconds: float, port: int) -> dict[str, float]:
    """Acts on `core` for whole episodes that fill `seconds`, and returns the figures."""
    os.sched_setaffinity(0, {core})
    import acme
    import common
    import psutil
    import reverb
    import tensorflow as tf
    from acme import specs
    from acme.adders import reverb as adders
    from acme.agents.tf import actors
    from acme.agents.tf.d4pg.agent import D4PGNetworks
    from acme.utils import loggers

    environment = common.make_environment(task)
    spec = specs.make_environment_spec(environment)
    policy, critic = common.make_networks(spec.actions).values()
    networks = D4PGNetworks(policy, critic, observation_network=tf.identity)
    networks.init(spec)
    adder = adders.NStepTransitionAdder(
        client=reverb.Client(f"localhost:{port}"), n_step=1, discount=0.99
    )
    loop = acme.EnvironmentLoop(
        environment,
        actors.FeedForwardActor(networks.make_policy(spec, sigma=0.3), adder),
        logger=loggers.NoOpLogger(),
    )

    loop.run_episode()
    steps, start, elapsed = 0, time.monotonic(), 0.0
    while elapsed < seconds:
        steps += loop.run_episode()["episode_length"]
        elapsed = time.monotonic() - start
    return {
        "steps_per_second": steps / elapsed,
        "resident_mb": psutil.Process().memory_info().rss / 2**20,
        "steps": steps,
        "seconds": elapsed,
    }


def main() -> None:
    """Starts the server, acts, stops the server, prints the figures."""
    parser = argparse.ArgumentParser(description="Acme's actor on one core.")
    parser.add_argument("--task", default="cheetah:run", help="dm_control task, domain:name")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure")
    parser.add_argument("--core", type=int, default=0, help="the core that acts")
    args = parser.parse_args()

    cores = os.sched_getaffinity(0)
    if args.core not in cores:
        parser.error(f"--core={args.core}: this process may use the cores {sorted(cores)}")
    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(128 + signum))
    processes = multiprocessing.get_context("spawn")
    pipe, servers_end = processes.Pipe()
    server = processes.Process(
        target=serve, args=(args.task, cores - {args.core} or cores, servers_end)
    )
    server.start()
    servers_end.close()  # So that a server that dies is read as the end of the pipe.
    try:
        with pipe:
            figures = act(args.task, args.core, args.seconds, port=pipe.recv())
    finally:
        server.join(timeout=20)
        server.kill()
        server.join()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
