"""Streams of transitions of images whose every field can be told from their number."""

from __future__ import annotations

import numpy as np
from acme import specs

from quinoa.agents.types import Transition
from tests.agents.fixtures import make_spec

HEIGHT, WIDTH, STACK = 5, 4, 3


def image_spec(channels: int = STACK) -> specs.EnvironmentSpec:
    """Of stacked frames, one of four actions."""
    return make_spec(
        observations=specs.BoundedArray((HEIGHT, WIDTH, channels), np.uint8, 0, 255),
        actions=specs.DiscreteArray(4),
    )


def frame(environment: int, episode: int, t: int) -> np.ndarray:
    """A frame that no other one equals."""
    pixels = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    seed = 1 + environment + 10 * episode + 1000 * t
    return (pixels * seed + seed // 7 + 31 * t).astype(np.uint8)


def stacked(environment: int, episode: int, t: int) -> np.ndarray:
    """The last frames, the newest one last; before an episode's first frame there is that one."""
    frames = [frame(environment, episode, max(t - ago, 0)) for ago in reversed(range(STACK))]
    return np.stack(frames, axis=-1)


def stream(num_steps: int, num_environments: int, episode_length: int) -> list[Transition]:
    """So many steps of environments whose episodes have one length, leading shape [N] each."""
    steps = []
    for number in range(num_steps):
        episode, t = divmod(number, episode_length)
        ends = t == episode_length - 1
        of_each = range(num_environments)
        steps.append(
            Transition(
                observation=np.stack([stacked(i, episode, t) for i in of_each]),
                action=np.array([(number + i) % 4 for i in of_each], np.int32),
                reward=np.array([number + 1000 * i for i in of_each], np.float32),
                discount=np.full(num_environments, 1.0 - ends, np.float32),
                next_observation=np.stack([stacked(i, episode, t + 1) for i in of_each]),
                last=np.full(num_environments, ends),
            )
        )
    return steps


def assert_of_stream(transitions: Transition, steps: list[Transition]) -> np.ndarray:
    """Checks that each transition is the one of the stream with its reward; returns the rewards."""
    rewards = np.asarray(transitions.reward).astype(int)
    flat = rewards.ravel()
    for name, found in transitions._asdict().items():
        if name == "extras":
            continue
        found = np.asarray(found)
        of_step = [getattr(steps[reward % 1000], name)[reward // 1000] for reward in flat]
        expected = np.array(of_step).reshape(found.shape)
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert found.dtype == expected.dtype, name
    return rewards
