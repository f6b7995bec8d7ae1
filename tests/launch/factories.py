"""Environments for `tests.launch.factories:<name>`."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
import zlib

import dm_env
import numpy as np
from dm_env import specs

EPISODE_STEPS = 10
# What `match` gives: with random actions, and at best (11 bins can be 0.05 off, on average).
RANDOM_RETURN = EPISODE_STEPS / 3
BEST_RETURN = EPISODE_STEPS * 0.95


class Match(dm_env.Environment):
    """Shows a number in [-1, 1], and rewards an action by how near it comes: at best 1."""

    def __init__(
        self, seed: int, fails_after: int | None = None, *, recovers: bool = False
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._fails_after = fails_after
        self._recovers = recovers
        self._steps = 0
        self._t = 0
        self._shown = 0.0

    def reset(self) -> dm_env.TimeStep:
        self._t = 0
        return dm_env.restart(self._observe())

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        self._steps += 1
        if self._fails_after is not None and self._steps > self._fails_after:
            if self._recovers:
                self._steps = 0
            raise ZeroDivisionError("the environment's own error")
        reward = 1.0 - abs(float(action[0]) - self._shown)
        self._t += 1
        if self._t == EPISODE_STEPS:
            return dm_env.termination(reward, self._observe())
        return dm_env.transition(reward, self._observe())

    def _observe(self) -> np.ndarray:
        self._shown = float(self._rng.uniform(-1, 1))
        return np.array([self._shown, 1.0], np.float32)

    def observation_spec(self) -> specs.Array:
        return specs.Array((2,), np.float32)

    def action_spec(self) -> specs.BoundedArray:
        return specs.BoundedArray((1,), np.float32, -1.0, 1.0)


class Choose(Match):
    """Shows one of `NUMBER` as a one-hot vector, and rewards the action of the same index by 1."""

    NUMBER = 3

    def step(self, action: int) -> dm_env.TimeStep:  # type: ignore[override]
        assert np.shape(action) == () and np.asarray(action).dtype == np.int64
        reward = float(action == self._shown)
        self._t += 1
        if self._t == EPISODE_STEPS:
            return dm_env.termination(reward, self._observe())
        return dm_env.transition(reward, self._observe())

    def _observe(self) -> np.ndarray:
        self._shown = int(self._rng.integers(self.NUMBER))
        return np.eye(self.NUMBER, dtype=np.float32)[self._shown]

    def observation_spec(self) -> specs.Array:
        return specs.Array((self.NUMBER,), np.float32)

    def action_spec(self) -> specs.DiscreteArray:
        return specs.DiscreteArray(self.NUMBER, np.int64)


def choose(seed: int) -> Choose:
    return Choose(seed)


class Unhurried(Choose):
    """The same, so slowly that a run which goes on for as long as a test looks takes little."""

    def step(self, action: int) -> dm_env.TimeStep:  # type: ignore[override]
        time.sleep(0.01)
        return super().step(action)


def choose_unhurried(seed: int) -> Unhurried:
    return Unhurried(seed)


class ChooseTwo(Choose):
    """The same with two choices at once, each rewarded by a half.

    The first is the index that is shown, and the second, 1 or 2, is right where it is 2 of an odd
    index and 1 of an even one.
    """

    def step(self, action: np.ndarray) -> dm_env.TimeStep:  # type: ignore[override]
        first, second = action
        assert action.dtype == np.int64
        reward = 0.5 * (first == self._shown) + 0.5 * (second == 1 + self._shown % 2)
        self._t += 1
        if self._t == EPISODE_STEPS:
            return dm_env.termination(reward, self._observe())
        return dm_env.transition(reward, self._observe())

    def action_spec(self) -> specs.BoundedArray:
        return specs.BoundedArray((2,), np.int64, [0, 1], [self.NUMBER - 1, 2])


def choose_two(seed: int) -> ChooseTwo:
    return ChooseTwo(seed)


class CheckedMatch(Match):
    """`Match`, every transition of which can be told whole from one that is not.

    An observation is [shown, 1, stream, number, checksum]: which environment it comes from (by its
    seed), how many observations that one gave before, and the CRC of these four. Numbers of 24 bits
    are times 2**-30: exact as float32, and next to nothing to a network. Every other episode ends
    at a time limit. `tests.launch.checked` verifies transitions.
    """

    SCALE = 2.0**-30

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._stream = seed % 2**24
        self._number = -1

    def reset(self) -> dm_env.TimeStep:
        # An episode that was broken off leaves out the numbers that it did not come to.
        length = EPISODE_STEPS + 1
        self._number = (self._number // length + 1) * length - 1
        return super().reset()

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        timestep = super().step(action)
        is_time_limit = timestep.last() and self.ends_at_time_limit(self._number)
        return timestep._replace(discount=1.0) if is_time_limit else timestep

    @staticmethod
    def ends_at_time_limit(number: int) -> bool:
        """Whether the episode that has this observation does."""
        return number // (EPISODE_STEPS + 1) % 2 == 1

    @classmethod
    def checksum(cls, observation: np.ndarray) -> float:
        return (zlib.crc32(observation[:-1].astype("<f4").tobytes()) >> 8) * cls.SCALE

    def _observe(self) -> np.ndarray:
        shown, one = super()._observe()
        self._number += 1
        observation = np.array(
            [shown, one, self._stream * self.SCALE, self._number * self.SCALE, 0.0], np.float32
        )
        observation[-1] = self.checksum(observation)
        return observation

    def observation_spec(self) -> specs.Array:
        return specs.Array((5,), np.float32)


def checked_match(seed: int) -> CheckedMatch:
    return CheckedMatch(seed)


def match(seed: int) -> Match:
    return Match(seed)


class Drawn(Match):
    """`Match` with pictures: a column as bright as what is shown, and dark ones beside it."""

    HEIGHT, WIDTH = 40, 60

    def render(self) -> np.ndarray:
        picture = np.zeros((self.HEIGHT, self.WIDTH, 3), np.uint8)
        picture[:, self.WIDTH // 2 :] = round(127.5 * (1 + self._shown))
        return picture

    def control_timestep(self) -> float:
        return 0.1


def drawn(seed: int) -> Drawn:
    return Drawn(seed)


class BadlyDrawn(Match):
    """Its picture is none."""

    def render(self) -> np.ndarray:
        return np.zeros((40, 60), np.float64)


def badly_drawn(seed: int) -> BadlyDrawn:
    return BadlyDrawn(seed)


class Wide(Drawn):
    """Its pictures are a strip."""

    HEIGHT, WIDTH = 10, 3000


def wide(seed: int) -> Wide:
    return Wide(seed)


class FailsToDraw(Match):
    """Raises in place of drawing itself."""

    def render(self) -> np.ndarray:
        raise ZeroDivisionError("no light")


def fails_to_draw(seed: int) -> FailsToDraw:
    return FailsToDraw(seed)


def fails_later(seed: int) -> Match:
    return Match(seed, fails_after=50)


def fails_in_its_first_episode(seed: int) -> Match:
    return Match(seed, fails_after=EPISODE_STEPS // 2)


def fails_in_its_first_step(seed: int) -> Match:
    return Match(seed, fails_after=0)


def fails_now_and_then(seed: int) -> Match:
    """Drops one episode in 28, and so fewer than are too many."""
    return Match(seed, fails_after=25 * EPISODE_STEPS + EPISODE_STEPS // 2, recovers=True)


class Exits(Drawn):
    """Leaves by exit(0), as a simulator does whose window is closed or whose licence ends."""

    def __init__(self, seed: int, after: int) -> None:
        super().__init__(seed)
        self._after = after

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        if self._steps == self._after:
            sys.exit(0)
        return super().step(action)


def exits_later(seed: int) -> Exits:
    return Exits(seed, after=50)


def exits_in_its_first_step(seed: int) -> Exits:
    return Exits(seed, after=0)


def wanders(seed: int) -> Drawn:
    """Goes to the folder of its assets when it is made."""
    os.chdir(tempfile.gettempdir())
    return Drawn(seed)


class Unclosable(Drawn):
    """Its close() fails, as viewers' are known to."""

    def close(self) -> None:
        raise RuntimeError("the window is gone")


def unclosable(seed: int) -> Unclosable:
    return Unclosable(seed)


class WithAServer(Match):
    """`Match`, which has a process of its own, as some simulators do."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._server = subprocess.Popen(["sleep", "1000"])

    def close(self) -> None:
        self._server.kill()
        self._server.wait()


def with_a_server(seed: int) -> WithAServer:
    return WithAServer(seed)


def fails_at_once(seed: int) -> Match:
    raise ZeroDivisionError(f"the factory's own error, seed {seed > 0}")


# The variable that names the file whose first finder hangs.
HANG_FILE = "TEST_HANG_FILE"


class Hanging(Match):
    """Never comes back from a step, if it is the first to find a file, which it takes away."""

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        try:
            os.unlink(os.environ[HANG_FILE])
        except FileNotFoundError:
            return super().step(action)
        while True:
            time.sleep(1.0)


def hangs_when_told(seed: int) -> Hanging:
    return Hanging(seed)


class Talkative(Match):
    """Prints, in each of the ways that there are."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        print("a print of Python")
        libc = ctypes.CDLL(None)
        # Stays in C's buffer where standard output is no terminal.
        libc.printf(b"a print of C\n")
        os.write(1, b"a write to file descriptor 1\n")
        subprocess.run(["echo", "another process"], check=True)


def talkative(seed: int) -> Talkative:
    return Talkative(seed)
