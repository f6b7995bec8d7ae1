"""Acme's distributed D4PG, launched and watched: the inside of system.py, which starts this.

Every process that Launchpad starts is a child of this one; system.py ends them all, and this one
does if system.py was killed outright.
"""

import argparse
import contextlib
import functools
import json
import os
import shutil
import threading
import time

import common
import launchpad as lp
import psutil
from absl import app, flags
from acme.agents.tf import d4pg

_FIRST_STEP_TIMEOUT = 300.0  # seconds


def make_environment(task, evaluation):
    """Returns the task; it is the same one for actors and for evaluation."""
    del evaluation
    return common.make_environment(task)


def make_program(agent: d4pg.DistributedD4PG, num_actors: int):
    """Returns the agent's program without its evaluator, and the handles of replay and counter.

    `DistributedD4PG.build` always adds the evaluator, which runs flat out and takes a core.
    """
    program = lp.Program("d4pg")
    with program.group("replay"):
        replay = program.add_node(lp.ReverbNode(agent.replay))
    with program.group("counter"):
        counter = program.add_node(lp.CourierNode(agent.counter))
    with program.group("learner"):
        learner = program.add_node(lp.CourierNode(agent.learner, replay, counter))
    with program.group("actor"):
        for _ in range(num_actors):
            program.add_node(lp.CourierNode(agent.actor, replay, learner, counter))
    return program, replay, counter


def end_with_parent(folder: str) -> None:
    """Once system.py is gone: kills Launchpad's processes, removes their `folder`, ends this one.

    A thread does it, since Python's signal handlers do not run while the main thread waits in
    Courier.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        for child in (children := psutil.Process().children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=5)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def wait_for_steps(counter, more_than: int, workers: list[psutil.Process], timeout: float):
    """Waits until the learner reports more steps; returns how many, and the time that it is.

    The learner reports once a second. A window that begins and ends as a report comes in is exact
    to this loop's pause.

    Raises:
        RuntimeError: A process of the program has ended, or `timeout` (seconds) is over.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        steps = counter.get_counts().get("learner_steps", 0)
        if steps > more_than:
            return steps, time.monotonic()
        if not all(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in workers):
            raise RuntimeError("one of Acme's processes has ended")
        time.sleep(0.05)
    raise RuntimeError(f"Acme's learner made no step within {timeout:.0f} s")


def measure(replay, counter, args) -> dict[str, float]:
    """Waits for the learner, settles, measures for `args.seconds`; returns the figures."""
    workers = psutil.Process().children()
    # Courier's clients wait for their server, Reverb's raise until theirs answers; by the time that
    # the learner has made a step, both answer.
    steps, now = wait_for_steps(counter, 0, workers, _FIRST_STEP_TIMEOUT)
    first_step = now - args.start
    # The first step traces the graph, and Acme writes a checkpoint and a snapshot after it.
    settled = now + args.settle
    while now < settled or steps < 50:
        steps, now = wait_for_steps(counter, steps, workers, _FIRST_STEP_TIMEOUT)

    def inserted() -> int:
        (table,) = replay.server_info().values()
        return table.rate_limiter_info.insert_stats.completed

    begin, begin_steps, begin_inserted = now, steps, inserted()
    while now < begin + args.seconds:
        steps, now = wait_for_steps(counter, steps, workers, _FIRST_STEP_TIMEOUT)
    end_inserted = inserted()
    resident = [
        worker.memory_info().rss
        for worker in workers
        # Launchpad names the file that takes a worker's output after the worker's group.
        if os.readlink(f"/proc/{worker.pid}/fd/1").split("/")[-2] == "actor"
    ]
    return {
        "actor_steps_per_second": (end_inserted - begin_inserted) / (now - begin),
        "learner_steps_per_second": (steps - begin_steps) / (now - begin),
        "seconds_to_first_learner_step": first_step,
        "actor_resident_mb": sum(resident) / len(resident) / 2**20,
        "processes": len(workers),
        "seconds": now - begin,
    }


def main(argv: list[str]) -> None:
    """Launches the program, measures, prints the figures; leaves the processes to system.py."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", required=True)
    parser.add_argument("--num_actors", type=int, required=True)
    parser.add_argument("--samples_per_insert", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--settle", type=float, required=True)
    parser.add_argument("--start", type=float, required=True)
    args = parser.parse_args(argv[1:])

    agent = d4pg.DistributedD4PG(
        environment_factory=functools.partial(make_environment, args.task),
        network_factory=common.make_networks,
        num_actors=args.num_actors,
        batch_size=256,
        min_replay_size=2000,
        samples_per_insert=args.samples_per_insert or None,  # None: only the minimum size holds.
    )
    program, replay, counter = make_program(agent, args.num_actors)
    end_with_parent(folder=os.environ["HOME"])  # system.py made it for this program alone.
    lp.launch(program, launch_type="local_mp", terminal="output_to_files")
    print(json.dumps(measure(replay.dereference(), counter.dereference(), args)), flush=True)
    os._exit(0)  # Launchpad would wait for its processes here.


if __name__ == "__main__":
    # system.py's own flags are none of Launchpad's or Acme's.
    app.run(main, flags_parser=lambda argv: flags.FLAGS(argv[:1]) and argv)
