"""Rollouts through a Reverb server: each segment once, and of the version that is learned with."""

import threading
import time

import numpy as np
import pytest
import reverb

from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.parameter_vector import fingerprint
from quinoa.agents.parameters import ParameterClient, PublishedParameters
from quinoa.agents.protocol import OnPolicyConfig
from quinoa.agents.rollouts import Rollouts
from quinoa.agents.rollouts.writer import SynchronizedParameters
from quinoa.agents.rows import RowLayout
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import assert_numbered, numbered, serve, table_size
from tests.agents.test_actor import Fixed

SPEC = make_spec()
CONFIG = OnPolicyConfig(batch_size=16, segment_length=2)
# Two actors of two environments each: two segments of each environment make a batch.
SOURCE = Rollouts(CONFIG, RowLayout(SPEC), num_environments=4)


class Actors(threading.Thread):
    """Two actors in one thread each, whose transitions say the parameter they are acted with."""

    def __init__(self, address, published, *, patience_s=60.0):
        super().__init__()
        self.address, self.published, self.patience_s = address, published, patience_s
        self.stopped = threading.Event()
        self.acted = [0, 0]
        self.threads = [threading.Thread(target=self.act, args=(i,)) for i in range(2)]

    def act(self, index):
        policy = Fixed()
        assign = CompiledPolicy(policy).assign
        client = ParameterClient(self.published.get, assign, period_s=SOURCE.polling_period_s)
        assert client.wait_for_first(self.stopped.is_set)
        writer = SOURCE.writer(self.address, 2, should_stop=self.stopped.is_set)
        parameters = SynchronizedParameters(
            client, writer, should_stop=self.stopped.is_set, patience_s=self.patience_s
        )
        while not self.stopped.is_set():
            parameters.update()
            numbers = [1000 * float(policy.value) + 100 * index + 50 * i for i in range(2)]
            writer.append(numbered(np.array(numbers) + self.acted[index] % 50, SPEC))
            self.acted[index] += 1
        parameters.close()
        writer.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


def learned(address, published, versions, *, first=0.0):
    """Learns with these versions, one after another; the numbers of each batch, [S, L].

    The parameters of a version are its number and `first`.
    """
    parameters = np.zeros(1, np.float32)
    drawing = SOURCE.superbatches(address, fingerprint=lambda: fingerprint(parameters))
    found = []
    for version in versions:
        parameters = np.array([first + version], np.float32)
        published.publish(version, parameters)
        batch = next(drawing)
        assert batch.reward.shape == (1, 8, 2)
        for field, blank in zip(batch[:-1], SOURCE.blank()[:-1], strict=True):
            assert (field.shape, field.dtype) == (blank.shape, blank.dtype)
        found.append(assert_numbered(batch, SPEC)[0])
    drawing.close()
    return found


def test_each_batch_is_of_the_version_that_it_is_learned_with_and_each_segment_once():
    published = PublishedParameters()
    with serve(*SOURCE.tables()) as address, Actors(address, published) as actors:
        found = learned(address, published, range(40))
    for version, numbers in enumerate(found):
        assert set(numbers.ravel() // 1000) == {version}
        # Two whole segments of each environment, in time order.
        assert (np.diff(numbers, axis=1) == 1).all()
        streams, counts = np.unique(numbers[:, 0] % 1000 // 50, return_counts=True)
        assert streams.tolist() == [0, 1, 2, 3]
        assert counts.tolist() == [2] * 4
        assert len(np.unique(numbers)) == 16
    # Nobody acted in vain: four steps a version, of each actor.
    assert all(count <= 4 * 41 + 1 for count in actors.acted)


def test_segments_of_other_parameters_are_dropped_though_their_version_is_the_same():
    published = PublishedParameters()
    table = SOURCE.tables()[0]
    with serve(table) as address, Actors(address, published):
        learned(address, published, [0, 1, 2, 3])
        # What is acted with the fourth version comes too late for the learner, which is killed.
        published.publish(4, np.array([4.0], np.float32))
        while table_size(address) < 4:
            time.sleep(0.01)
        # Restored from its third step, it comes to other parameters than before.
        found = learned(address, published, [3, 4, 5], first=0.5)
    for parameter, numbers in zip([3.5, 4.5, 5.5], found, strict=True):
        assert set(numbers.ravel() // 500) == {2 * parameter}


def test_what_was_lost_with_a_server_is_acted_again():
    published = PublishedParameters()
    table = SOURCE.tables()[0]
    with serve(table) as address, Actors(address, published, patience_s=0.5) as actors:
        published.publish(0, np.array([0.0], np.float32))
        while table_size(address) < 4:
            time.sleep(0.01)
        # As a learner does that dies before it has learned from them.
        client = reverb.Client(address)
        assert len(list(client.sample("transitions", 4, emit_timesteps=False))) == 4
        began = time.monotonic()
        (numbers,) = learned(address, published, [0])
        assert time.monotonic() - began < 5
        assert set(numbers.ravel() // 1000) == {0}
    assert max(actors.acted) >= 8


def test_it_ends_when_it_is_told_though_nothing_comes():
    published = PublishedParameters()
    stopped = threading.Event()
    with serve(*SOURCE.tables()) as address:
        threading.Timer(0.3, stopped.set).start()
        drawing = SOURCE.superbatches(address, fingerprint=lambda: 0, should_stop=stopped.is_set)
        assert next(drawing, None) is None
        drawing.close()
    assert published.get(-1) is None


def test_a_server_for_something_else_is_one_clear_error():
    other = Rollouts(CONFIG, RowLayout(make_spec(9)), num_environments=4)
    with serve(*other.tables()) as address, pytest.raises(ValueError, match="another environment"):
        SOURCE.superbatches(address, fingerprint=lambda: 0)
