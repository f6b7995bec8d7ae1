"""The replay server as a process that is killed, with writers and a sampler that stay."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import portpicker
import pytest
import reverb

from quinoa.agents import registry, replay
from quinoa.agents.actor import Actor
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.replay import TABLE, SegmentWriter
from quinoa.agents.rows import RowLayout
from quinoa.launch.checkpoints import replay_checkpoints
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.saved import save
from quinoa.launch.nodes.replay import ReplayNode
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.checked import CHECKED, read_back, verify
from tests.launch.helpers import ROOT, experiment, replay_config, wait_until

# Loads the experiment of a run's folder and serves its replay, as the node's process does.
_SERVE = """
import sys, threading, signal
from pathlib import Path
from quinoa.launch.experiment.saved import load
from quinoa.launch.nodes.replay import ReplayNode
from quinoa.launch.run.run_folder import RunFolder
folder, stop = RunFolder(Path(sys.argv[1])), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
node = ReplayNode(load(folder), folder, int(sys.argv[2]), stop)
print("up", flush=True)
node.run()
"""


@contextlib.contextmanager
def serving(folder: RunFolder, port: int) -> Iterator[subprocess.Popen[str]]:
    with (folder.root / "replay.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(folder.root), str(port)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def port():
    picked = portpicker.pick_unused_port()
    yield picked
    portpicker.return_port(picked)


def made(folder: RunFolder, **changes) -> Experiment:
    of = experiment(environment=CHECKED, **changes)
    folder.root.mkdir(exist_ok=True)
    save(of, folder)
    return of


class Acting(threading.Thread):
    """An actor that acts until it is told to stop."""

    def __init__(self, of: Experiment, port: int, index: int = 0) -> None:
        super().__init__(daemon=True)
        self.steps = 0
        self.complete = False
        self._should_stop = threading.Event()
        environments = of.make_environments(4, "actor", index)
        policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
        address = f"localhost:{port}"
        reverb.Client(address).server_info(60)
        writer = SegmentWriter(address, 4, replay_config(of), RowLayout(of.spec()))
        self._actor = Actor(
            CompiledPolicy(policy), environments, writer, seed=index, parameters=None
        )
        self._writer = writer
        self.start()

    def run(self) -> None:
        while not self._should_stop.is_set():
            self.steps += self._actor.step().num_transitions
            time.sleep(0.001)
        self.complete = self._writer.close(timeout_s=60)

    def stop(self) -> None:
        self._should_stop.set()
        self.join()


def saved(folder: RunFolder) -> list[replay_checkpoints.ReplayCheckpoint]:
    return replay_checkpoints.all_of(folder)


def events_of(folder: RunFolder) -> list[dict]:
    return [json.loads(line) for line in folder.events.read_text().splitlines()]


@pytest.mark.slow
def test_what_is_written_while_the_server_is_killed_is_there_once(tmp_path, port):
    """Lost is what was taken after the last checkpoint; nothing is damaged, or there twice."""
    folder = RunFolder(tmp_path)
    of = made(folder, samples_per_insert=0.0, replay_checkpoint_period_s=1.0)
    with serving(folder, port) as process:
        actors = [Acting(of, port, index) for index in range(2)]
        assert wait_until(lambda: len(saved(folder)) == 2)
        process.kill()
        process.wait()
    time.sleep(0.5)
    held = saved(folder)[-1].path
    before = set(verify(read_back(held, of.spec())))
    assert len(before) > 50
    with serving(folder, port) as process:
        at = [actor.steps for actor in actors]
        assert wait_until(lambda: all(a.steps > s + 200 for a, s in zip(actors, at, strict=True)))
        for actor in actors:
            actor.stop()
            assert actor.complete
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    last = verify(read_back(saved(folder)[-1].path, of.spec()))
    assert len(last) == len(set(last))
    assert before <= set(last)
    # What each environment lacks is one stretch: what the killed server had taken since.
    for stream in {stream for stream, _ in last}:
        numbers = np.array(sorted(number for of_, number in last if of_ == stream))
        # From the last step of an episode to the first of the next it is 2.
        assert np.count_nonzero(np.diff(numbers) > 2) <= 1
    steps = sum(actor.steps for actor in actors)
    assert len(before) + 2 * 200 <= len(last) <= steps
    assert len(saved(folder)) == 2
    assert not [path for path in folder.replay.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_the_ratio_of_updates_to_transitions_holds_after_a_restart(tmp_path, port):
    folder = RunFolder(tmp_path)
    of = made(folder, samples_per_insert=8.0, replay_checkpoint_period_s=1.0)
    stopped = threading.Event()
    drawn = [0]
    # What was counted when the learner drew a superbatch: transitions written, and drawn.
    with contextlib.ExitStack() as processes:
        processes.enter_context(serving(folder, port))
        actor = Acting(of, port)

        def learn() -> None:
            for batch in replay.superbatches(
                f"localhost:{port}",
                replay_config(of),
                RowLayout(of.spec()),
                steps_per_call=of.steps_per_call,
                should_stop=stopped.is_set,
            ):
                drawn[0] += batch.reward.shape[0] * batch.reward.shape[1]

        learner = threading.Thread(target=learn, daemon=True)
        learner.start()
        assert wait_until(lambda: drawn[0] > 20_000)
        number = int(saved(folder)[-1].path.name)
        assert wait_until(lambda: int(saved(folder)[-1].path.name) > number)
        processes.close()
        processes.enter_context(serving(folder, port))
        in_all = drawn[0]
        assert wait_until(lambda: drawn[0] > in_all + 20_000)
        before = actor.steps, drawn[0]
        assert wait_until(lambda: drawn[0] > before[1] + 40_000)
        after = actor.steps, drawn[0]
        stopped.set()
        learner.join()
        ratio = (after[1] - before[1]) / (after[0] - before[0])
        assert ratio == pytest.approx(8.0, rel=0.1)
        # And so it does over the whole run, in which some of both was lost.
        whole = after[1] / (after[0] - replay_config(of).min_replay_size)
        assert whole == pytest.approx(8.0, rel=0.1)
        client = reverb.Client(f"localhost:{port}")
        limits = client.server_info(10)[TABLE].rate_limiter_info
        assert limits.insert_stats.completed > 0
        actor.stop()


class Here:
    """The node in this process, where nothing needs to be killed."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.of = made(folder, samples_per_insert=0.0)
        self.node = self.start()

    def start(self) -> ReplayNode:
        # What has been connected to a server of this process keeps its port for a while.
        port = portpicker.pick_unused_port()
        return ReplayNode(self.of, self.folder, port, threading.Event())

    def restart(self) -> int:
        """Returns how many items it has then."""
        self.node._server.stop()
        self.node = self.start()
        return self.node._client.server_info(10)[TABLE].current_size

    def insert(self, number: int) -> None:
        """Inserts segments, all alike."""
        config, spec = replay_config(self.of), self.of.spec()
        shape = (config.segment_length, RowLayout(spec).width)
        with self.node._client.trajectory_writer(1) as writer:
            for _ in range(number):
                writer.append(np.ones(shape, np.float32))
                writer.create_item(TABLE, 1.0, writer.history[-1])
                writer.flush()


@pytest.fixture
def here(tmp_path):
    made_ = Here(RunFolder(tmp_path))
    yield made_
    made_.node._server.stop()


@pytest.mark.parametrize("name", ["chunks.tfrecord", "items.tfrecord", "checkpoint.json", "DONE"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(here, capfd, name):
    for number in (3, 4):
        here.insert(number)
        assert here.node.save()
    path = saved(here.folder)[-1].path / name
    path.write_bytes(path.read_bytes()[:-20] + b"?")
    assert here.restart() == 3
    assert capfd.readouterr().err.count("is damaged") == 1
    damaged = [event for event in events_of(here.folder) if event["event"] == "replay_damaged"]
    assert "000002 is damaged" in damaged[0]["text"]
    assert len(saved(here.folder)) == 1
    assert path.parent.with_name("000002.damaged").is_dir()
    # And without any that is whole it starts empty.
    path = saved(here.folder)[-1].path / name
    path.unlink()
    assert here.restart() == 0


def test_what_was_saved_before_is_not_saved_again(here):
    assert here.node.save()
    assert not saved(here.folder)
    here.insert(2)
    assert here.node.save()
    assert here.node.save()
    assert len(saved(here.folder)) == 1
    assert here.restart() == 2
    for number in range(3):
        here.insert(1)
        assert here.node.save()
        assert here.restart() == 3 + number
    assert [one.path.name for one in saved(here.folder)] == ["000003", "000004"]


def test_a_checkpoint_that_was_cut_off_is_none(here):
    here.insert(2)
    assert here.node.save()
    for name in (".reverb.tmp", ".000002.1.tmp"):
        cut_off = here.folder.replay / name / "2026-01-01T00:00:00+00:00"
        cut_off.mkdir(parents=True)
        (cut_off / "chunks.tfrecord").write_bytes(b"half")
    assert here.restart() == 2
    assert [path.name for path in here.folder.replay.iterdir()] == ["000001"]


def test_without_room_it_is_skipped_with_one_warning(here, capfd, monkeypatch):
    usage = shutil.disk_usage(here.folder.root)
    here.insert(2)
    with monkeypatch.context() as context:
        context.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**7))
        for _ in range(2):
            assert not here.node.save()
        text = capfd.readouterr().err
        assert text.count("what replay holds is not saved for now: the disk of") == 1
        assert not list(here.folder.replay.iterdir())
    assert here.node.save()
    kinds = [event["event"] for event in events_of(here.folder)]
    assert kinds == ["replay_not_saved", "replay_saved"]


def test_what_reverb_cannot_write_is_one_warning_and_leaves_nothing(here, capfd):
    here.insert(2)
    assert here.node.save()
    here.insert(1)
    # What root cannot write either: a file where Reverb's folder is to be.
    here.node._written.write_text("")
    assert not here.node.save()
    err = capfd.readouterr().err
    assert err.count("is not saved for now: Reverb cannot write it") == 1
    here.node._written.unlink(missing_ok=True)
    assert [path.name for path in here.folder.replay.iterdir()] == ["000001"]
    assert here.node.save()


@pytest.mark.parametrize(
    "changes", [{"environment": "control:cartpole:balance"}, {"steps_per_call": 20}]
)
def test_what_another_experiment_held_is_refused(here, changes):
    here.insert(1)
    here.node.save()
    (checkpoint,) = saved(here.folder)
    replay_checkpoints.check_fits(checkpoint, here.of, "reverb")
    with pytest.raises(ExperimentError, match=f"with {next(iter(changes))} = "):
        other = dataclasses.replace(here.of, **changes)
        replay_checkpoints.check_fits(checkpoint, other, "reverb")
    with pytest.raises(ExperimentError, match="form = 'reverb' \\(here 'rows'\\)"):
        replay_checkpoints.check_fits(checkpoint, here.of, "rows")
