"""Datasets of Minari: written from episodes, and read, checked against a task, as episodes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quinoa.agents.types import Transition
from quinoa.demonstrations import episodes, names, spaces
from quinoa.demonstrations.episodes import Episode
from quinoa.demonstrations.names import DatasetError
from quinoa.environments import Layout, gymnasium_env

# What this package adds to a dataset's metadata, besides Minari's own keys, and to its infos.
_OWN, _ACTION_REPEAT, _DISCOUNT = "quinoa", "action_repeat", "discount"


def check_can_write(layout: Layout) -> None:
    """Raises `DatasetError` where Minari would not keep a task's observations as they are."""
    if layout.image_maximum is None:
        return
    shape = layout.observation[0].shape
    if len(shape) == 2 or shape[-1] in (1, 3):
        raise DatasetError(
            "Minari stores images of one or three channels as JPEG, which changes pixels: such "
            "episodes are not recorded."
        )


def write(
    to: Path,
    played: Sequence[Episode],
    layout: Layout,
    *,
    action_repeat: int,
    about: Mapping[str, Any],
    algorithm: str,
    description: str,
    env_spec: Any = None,
) -> None:
    """Writes a dataset, which is there whole or not at all.

    Observations are as the environment gives them, in float32 where they are numbers, as are
    rewards; actions have the environment's own dtype. `minari.MinariDataset(to / "data")` reads it,
    and `minari.load_dataset` where `to` is in the folder of Minari's datasets.

    Args:
        to: the folder to make; what is there is left alone, but an empty folder.
        played: the episodes, at least one.
        layout: of the task.
        action_repeat: the environment's steps that each action lasted.
        about: what else is to be known of it, as JSON has it.
        algorithm: what acted.
        description: a sentence.
        env_spec: Gymnasium's spec of the environment, if it has one.

    Raises:
        DatasetError: Minari is not installed, or would change the observations.
        OSError: it cannot be written.
    """
    names.require_minari()
    check_can_write(layout)
    gymnasium_env.prepare()
    import minari
    from minari.dataset.minari_storage import MinariStorage

    making = to.with_name(f".{to.name}.partial")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        storage = MinariStorage.new(
            making / "data",
            observation_space=spaces.observation_space(layout),
            action_space=spaces.action_space(layout),
            env_spec=env_spec,
        )
        storage.update_metadata(
            {
                "dataset_id": dataset_id(to),
                "minari_version": minari.__version__,
                "algorithm_name": algorithm,
                "description": description,
                _OWN: {**about, _ACTION_REPEAT: action_repeat},
            }
        )
        storage.update_episodes([_buffer(episode, layout) for episode in played])
        os.replace(making, to)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def dataset_id(to: Path) -> str:
    """The id of a dataset in this folder: its name, with a version if it has none."""
    name = re.sub(r"[^-\w]+", "_", to.name).strip("_-") or "demonstrations"
    return name if re.search(r"-v\d+$", name) else f"{name}-v0"


def _buffer(episode: Episode, layout: Layout) -> Any:
    from minari.data_collector.episode_buffer import EpisodeBuffer

    number = len(episode.rewards)
    is_last = np.arange(number) == number - 1
    # Minari knows of terminations and truncations alone.
    is_plain = bool(np.all(episode.discounts[:-1] == 1)) and episode.discounts[-1] in (0, 1)
    return EpisodeBuffer(
        observations=spaces.own_observations(layout, episode.observations),
        actions=layout.action_map(layout.action_map.clipped(episode.actions)).astype(
            spaces.action_dtype(layout)
        ),
        rewards=episode.rewards,
        terminations=is_last & episode.terminated,
        truncations=is_last & (not episode.terminated),
        # Of the state before the first action, too.
        infos=None if is_plain else {_DISCOUNT: np.append(np.float32(1), episode.discounts)},
    )


def read(name: str, layout: Layout, *, action_repeat: int) -> list[Episode]:
    """Reads a dataset, and checks all of it against a task.

    Args:
        name: of the dataset, see `quinoa.demonstrations.names`.
        layout: of the task.
        action_repeat: the environment's steps that each of the task's actions lasts.

    Returns:
        At least one episode.

    Raises:
        DatasetError: it is not there, cannot be read, or is none of this task.
    """
    names.require_minari()
    folder = names.folder(name)
    gymnasium_env.prepare()
    import minari

    try:
        dataset = minari.MinariDataset(folder / "data")
        own = dataset.storage.metadata.get(_OWN, {})
        found = [_Arrays(episode, is_own=bool(own)) for episode in dataset.iterate_episodes()]
    except Exception as error:
        raise DatasetError(f"{name}: {folder} cannot be read by Minari: {error}") from error
    try:
        if not found:
            raise DatasetError("it has no episodes")
        spaces.check_actions(dataset.action_space, layout)
        repeat = own.get(_ACTION_REPEAT, 1)
        if repeat != action_repeat:
            raise DatasetError(
                f"each of its actions lasts {repeat} steps of the environment, and each of the "
                f"task's {action_repeat} (action_repeat)"
            )
        return [_checked(index, each, layout) for index, each in enumerate(found)]
    except DatasetError as error:
        raise DatasetError(f"{name} cannot be learned from: {error}.") from error


def load(name: str, layout: Layout, *, action_repeat: int) -> Transition:
    """The transitions of a dataset, one episode after the other in time order; see `read`."""
    return episodes.transitions(read(name, layout, action_repeat=action_repeat))


class _Arrays:
    """An episode as Minari gives it.

    Attributes:
        discounts: [T + 1], where `write` wrote them.
    """

    def __init__(self, episode: Any, *, is_own: bool) -> None:
        self.observations = episode.observations
        self.actions = np.asarray(episode.actions)
        self.rewards, self.terminations, self.truncations = (
            np.asarray(values)
            for values in (episode.rewards, episode.terminations, episode.truncations)
        )
        infos = (episode.infos or {}) if is_own else {}
        self.discounts = np.asarray(infos[_DISCOUNT]) if _DISCOUNT in infos else None


def _checked(index: int, arrays: _Arrays, layout: Layout) -> Episode:
    """An episode in canonical form; raises `DatasetError`."""
    number = len(arrays.rewards)
    try:
        if not number:
            raise ValueError("it has no steps")
        lengths = (len(arrays.actions), len(arrays.terminations), len(arrays.truncations))
        if lengths != (number, number, number):
            raise ValueError(
                f"it has {number} rewards, and {lengths[0]} actions, {lengths[1]} terminations and "
                f"{lengths[2]} truncations"
            )
        observations, is_batch = layout.canonical(arrays.observations)
        if not is_batch or len(observations) != number + 1:
            raise ValueError(
                f"it has {len(observations)} observations for {number} actions, and not one more "
                "than actions"
            )
        rewards = arrays.rewards.astype(np.float32)
        if rewards.shape != (number,) or not np.isfinite(rewards).all():
            raise ValueError("a reward is not one finite number")
        ended = np.flatnonzero((arrays.terminations | arrays.truncations)[:-1])
        if len(ended):
            raise ValueError(f"it ends at step {ended[0] + 1}, and has {number} steps")
        return Episode(
            observations,
            layout.action_map.canonical(arrays.actions),
            rewards,
            _discounts(arrays, number),
        )
    except ValueError as error:
        raise DatasetError(f"episode {index}: {str(error).rstrip('.')}") from error


def _discounts(arrays: _Arrays, number: int) -> npt.NDArray[np.float32]:
    """Of each step: 0 at a termination, and 1 elsewhere unless they were recorded.

    An episode that was cut off, with neither a termination nor a truncation at its end, is as one
    that was truncated.
    """
    if arrays.discounts is None:
        return 1 - arrays.terminations.astype(np.float32)
    discounts = arrays.discounts.astype(np.float32)[1:]
    if discounts.shape != (number,) or not bool(np.all((discounts >= 0) & (discounts <= 1))):
        raise ValueError("its discounts are not one number from 0 to 1 for each step")
    if bool(discounts[-1] == 0) != bool(arrays.terminations[-1]):
        raise ValueError("its last discount is 0 without a termination, or is not 0 with one")
    return discounts
