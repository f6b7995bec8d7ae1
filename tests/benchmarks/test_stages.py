"""Each benchmark's own work, in small. A side that does nothing is an error of its own."""

import contextlib

import pytest

from benchmarks import actor, images, learner, replay, replay_server, scaling
from benchmarks.setting import TASK, config_of, spec_of
from benchmarks.simulated import STEP_S


@contextlib.contextmanager
def served(agent, num_transitions=0):
    # The server lives as long as what has yielded its address.
    service = replay_server.serve(
        TASK, agent, config_of(agent).segment_length, num_transitions=num_transitions
    )
    yield next(service)
    del service


@pytest.mark.parametrize("agent", ["iq", "quinoa"])
def test_an_actor_takes_turns_with_one_bare_environment_and_with_as_many(agent, monkeypatch):
    monkeypatch.setattr(actor, "_SECONDS", 0.1)
    with served(agent) as address:
        ours, bare, in_turn = actor.take_turns(
            task=TASK,
            agent=agent,
            segment_length=config_of(agent).segment_length,
            address=address,
            num_environments=2,
        )
    assert len(ours) == len(bare) == len(in_turn) == actor._ROUNDS


def test_replay_takes_turns_with_an_array(monkeypatch):
    monkeypatch.setattr(replay, "_SECONDS", 0.1)
    with served("iq", num_transitions=5000) as address:
        ours, array = replay.take_turns(address, config_of("iq").segment_length)
    assert len(ours) == len(array) == replay._ROUNDS


@pytest.mark.parametrize(
    "task", ["minatar:breakout", pytest.param("atari:pong", marks=pytest.mark.slow)]
)
def test_an_actor_of_images_takes_turns_with_the_bare_game(task, monkeypatch):
    pytest.importorskip("ale_py" if task.startswith("atari") else "minatar")
    monkeypatch.setattr(images, "_SECONDS", 0.05)
    monkeypatch.setattr(images, "_NUM_TRANSITIONS", 320)
    service = images.serve(task)
    address, bytes_of_one = next(service)
    height, width, channels = spec_of(task).observations.shape
    # Of Atari, the channels are frames; of MinAtar, all of them are one.
    frame = height * width * (1 if task.startswith("atari") else channels)
    assert 0 < bytes_of_one < 1.3 * frame
    ours, bare, limit = images.take_turns(
        task=task, agent="dqn", segment_length=16, address=address, num_environments=2
    )
    assert len(ours) == len(bare) == len(limit) == images._ROUNDS
    assert min(ours + bare + limit) > 0
    drawn, array = images.draw(address, task)
    assert len(drawn) == len(array) == images._ROUNDS
    del service


@pytest.mark.slow
def test_a_learner_takes_turns_with_its_graph_and_its_products(monkeypatch):
    monkeypatch.setattr(learner, "_SECONDS", 1.0)
    monkeypatch.setattr(learner, "_WARM_UP_S", 0.5)
    with served("iq", num_transitions=5000) as address:
        rounds = learner.rounds(TASK, "iq", address)
        assert next(rounds) is None
        for _ in range(2):
            done = next(rounds)
            assert min(done.whole, done.graph, done.products) > 0.0
            assert 0.0 <= done.waiting < 1.0
        rounds.close()


@pytest.mark.slow
def test_a_run_is_watched_from_outside(monkeypatch):
    monkeypatch.setattr(scaling, "_NUM_ACTORS", (1,))
    monkeypatch.setattr(scaling, "_SETTLE_S", 1.0)
    monkeypatch.setattr(scaling, "_SECONDS", 3.0)
    (part,) = scaling.parts()
    (comparison,) = part.run()
    (speed,) = comparison.ours
    assert comparison.reference == comparison.ours
    assert 0.5 / STEP_S < speed <= 1.05 / STEP_S
