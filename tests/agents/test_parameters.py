import threading
import time

import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.parameter_vector import fingerprint
from quinoa.agents.parameters import (
    ParameterClient,
    ParametersUnavailableError,
    PublishedParameters,
)
from tests.agents.waiting import wait_until


class Weights(snt.Module):
    """As much of a policy as parameters need."""

    def __init__(self):
        super().__init__()
        self.matrix = tf.Variable(tf.zeros([2, 3]))
        self.vector = tf.Variable(tf.zeros([1]))

    def values(self):
        return [*self.matrix.numpy().ravel(), *self.vector.numpy()]


def parameters(value):
    return np.arange(7, dtype=np.float32) + value


def news(published, known_version):
    newest = published.get(known_version)
    assert newest is not None
    return newest


@pytest.fixture
def make_client():
    clients = []

    def make(get, policy=None, **options):
        assign = CompiledPolicy(policy or Weights()).assign
        client = ParameterClient(get, assign, **{"period_s": 0.01, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
    assert not [t for t in threading.enumerate() if t.name == "parameters"]


def test_published_parameters_are_news_until_known():
    published = PublishedParameters()
    assert published.get(-1) is None
    published.publish(0, parameters(0))
    version, got = news(published, -1)
    assert version == 0
    np.testing.assert_array_equal(got, parameters(0))
    assert published.get(0) is None
    published.publish(50, parameters(1))
    assert news(published, 0)[0] == 50
    # The actors of a learner that was restarted at 10 have had 50 before.
    published.publish(10, parameters(2))
    assert news(published, 50)[0] == 10


def test_a_question_may_wait_for_news_and_ends_without_any():
    published = PublishedParameters()
    published.publish(0, parameters(0))
    assert published.fingerprint == fingerprint(parameters(0))
    assert news(published, -1)[0] == 0
    began = time.monotonic()
    assert published.get(0, 0.1) is None
    assert time.monotonic() - began >= 0.1
    publishing = threading.Timer(0.05, published.publish, args=(1, parameters(1)))
    publishing.start()
    found = published.get(0, 60.0)
    assert found is not None and found[0] == 1
    # What is there already is not waited for.
    assert published.get(0, 60.0) is not None
    publishing.join()


def test_an_actor_may_wait_until_there_is_something_to_update_with(make_client):
    published = PublishedParameters()
    policy = Weights()
    client = make_client(published.get, policy)
    began = time.monotonic()
    client.wait(0.1)
    assert time.monotonic() - began >= 0.1
    assert not client.update()
    published.publish(0, parameters(0))
    client.wait(60.0)
    assert client.update()


def test_published_parameters_do_not_change_with_the_learners():
    published = PublishedParameters()
    vector = parameters(0)
    published.publish(0, vector)
    vector[:] = 9
    _, got = news(published, -1)
    np.testing.assert_array_equal(got, parameters(0))
    with pytest.raises(ValueError, match="read-only"):
        got[0] = 1


def test_publishing_and_getting_from_many_threads_never_mixes_versions():
    published = PublishedParameters()
    published.publish(0, np.zeros(1000, np.float32))
    done = threading.Event()
    wrong = []

    def read():
        while not done.is_set():
            version, vector = news(published, -1)
            if (vector != version).any():
                wrong.append(version)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in range(1, 300):
        published.publish(version, np.full(1000, version, np.float32))
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_the_policy_follows_at_update_only(make_client):
    published = PublishedParameters()
    policy = Weights()
    client = make_client(published.get, policy)
    assert client.version == -1
    assert not client.update()
    published.publish(3, parameters(0))
    assert client.wait_for_first()
    assert client.version == 3
    assert policy.values() == parameters(0).tolist()
    published.publish(4, parameters(1))
    time.sleep(0.1)
    assert client.version == 3
    assert policy.values() == parameters(0).tolist()
    assert client.update()
    assert client.version == 4
    assert policy.values() == parameters(1).tolist()
    assert not client.update()


def test_update_takes_the_newest_and_never_waits(make_client):
    release = threading.Event()
    calls = []

    def get(known_version):
        calls.append(known_version)
        if len(calls) > 3:
            release.wait()
        return len(calls), parameters(len(calls))

    client = make_client(get)
    wait_until(lambda: len(calls) == 4)
    started = time.monotonic()
    assert client.update()
    assert time.monotonic() - started < 0.1
    assert client.version == 3
    assert calls == [-1, 1, 2, 3]
    release.set()


def test_waiting_for_the_first_ends_with_should_stop_or_close(make_client):
    client = make_client(lambda known_version: None)
    answers = iter([False, False, True])
    assert not client.wait_for_first(lambda: next(answers))
    assert list(answers) == []
    threading.Timer(0.1, client.close).start()
    assert not client.wait_for_first()


def test_short_failures_are_borne(make_client):
    fail = threading.Event()
    calls = []

    def get(known_version):
        calls.append(known_version)
        if fail.is_set():
            raise ConnectionError("learner away")
        return len(calls), parameters(0)

    client = make_client(get, tolerance_s=30.0)
    client.wait_for_first()
    fail.set()
    count = len(calls)
    wait_until(lambda: len(calls) > count + 5)
    client.update()
    version = client.version
    fail.clear()
    wait_until(lambda: client.update() and client.version > version)


def test_a_failure_that_lasts_is_raised_where_the_actor_sees_it(make_client):
    def get(known_version):
        raise ConnectionError("learner gone")

    client = make_client(get, tolerance_s=0.1)
    with pytest.raises(ParametersUnavailableError) as raised:
        client.wait_for_first()
    assert isinstance(raised.value.__cause__, ConnectionError)
    message = str(raised.value)
    assert "learner gone" in message
    assert 3 <= int(message.split(" calls in a row")[0].split()[-1]) <= 12
    with pytest.raises(ParametersUnavailableError):
        client.update()


def test_one_success_starts_the_count_anew(make_client):
    calls = []

    def get(known_version):
        calls.append(known_version)
        if len(calls) % 3:
            raise ConnectionError
        return None

    client = make_client(get, tolerance_s=0.2)
    wait_until(lambda: len(calls) > 60)
    client.update()


def test_an_answer_that_is_none_is_a_failure_too(make_client):
    client = make_client(lambda known_version: "nonsense", tolerance_s=0.05)
    with pytest.raises(ParametersUnavailableError, match="ValueError"):
        client.wait_for_first()


def test_parameters_of_another_network_are_refused(make_client):
    client = make_client(lambda known_version: (0, np.zeros(6, np.float32)))
    with pytest.raises(ValueError, match=r"shape \(6,\), but this policy has 7"):
        client.wait_for_first()


def test_close_does_not_wait_for_a_call_that_hangs():
    hang = threading.Event()

    def get(known_version):
        hang.wait()

    client = ParameterClient(get, CompiledPolicy(Weights()).assign)
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 2.0
    hang.set()
