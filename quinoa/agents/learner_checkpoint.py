"""Whose checkpoint it is: a learner reads only those of its own agent and configuration."""

from __future__ import annotations

import dataclasses
import errno
import json
from typing import Any

import tensorflow as tf
from acme import specs

from quinoa.agents import protocol
from quinoa.agents.actions import Box, FiniteProduct, action_set
from quinoa.agents.literal_path import literal
from quinoa.config import parsing


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read, or is not one of this agent with this configuration."""


class Identity(tf.train.experimental.PythonState):
    """The agent, sizes and configuration of the learner that wrote a checkpoint, as JSON.

    A learner has it in its `tf.train.Checkpoint` under the name `identity`.
    """

    # Its key in the checkpoint's files: the name, then what TensorFlow adds for Python's state.
    KEY = "identity/.ATTRIBUTES/py_state"

    def __init__(
        self,
        agent_class: type[protocol.Agent],
        config: protocol.LearnerConfig,
        spec: specs.EnvironmentSpec,
    ):
        """Describes a learner of this agent, configuration and environment."""
        super().__init__()
        described = {
            "agent": f"{agent_class.__module__}.{agent_class.__qualname__}",
            **_described_observations(spec),
            **_described_actions(spec),
            **dataclasses.asdict(config),
        }
        self._json = json.dumps(described, default=repr)
        absent = parsing.absent_values(type(config))
        self._absent: dict[str, Any] = json.loads(json.dumps(absent, default=repr))

    def serialize(self) -> str:
        """Returns the JSON text that is saved."""
        return self._json

    def deserialize(self, string_value: str) -> None:
        """Does nothing: `check` has compared the saved text before TensorFlow reads it."""
        del string_value

    def differences(self, other: str) -> list[str]:
        """Names each entry in which `other`, a text that `serialize` gave, differs from this."""
        here, there = json.loads(self._json), {**self._absent, **json.loads(other)}
        return [
            f"{name} = {there.get(name, 'not known')} (here {here.get(name, 'not known')})"
            for name in dict.fromkeys([*there, *here])
            if name not in here or name not in there or here[name] != there[name]
        ]


def _described_observations(spec: specs.EnvironmentSpec) -> dict[str, Any]:
    shape = spec.observations.shape
    return {"observation size": shape[0]} if len(shape) == 1 else {"image": list(shape)}


def _described_actions(spec: specs.EnvironmentSpec) -> dict[str, Any]:
    actions = action_set(spec.actions)
    if isinstance(actions, Box):
        return {"action size": actions.size}
    if isinstance(actions, FiniteProduct):
        return {"numbers of actions": list(actions.numbers)}
    return {"number of actions": actions.number}


def write(checkpoint: tf.train.Checkpoint, path: str) -> str:
    """Writes a checkpoint to files `path`.*, and returns `path`.

    Raises:
        OSError: the files cannot be written; some may be there.
    """
    try:
        return str(checkpoint.write(path))
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, first_line(error)) from error
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, first_line(error)) from error


def read(checkpoint: tf.train.Checkpoint, path: str, identity: Identity) -> None:
    """Reads what `write` wrote; assigns nothing before `check` has found it whole and fit.

    Raises:
        CheckpointError: files are missing, damaged, or another learner's.
    """
    check(path, identity)
    try:
        with literal(path) as readable:
            checkpoint.read(readable).assert_consumed()
    except (tf.errors.OpError, ValueError, AssertionError) as error:
        raise CheckpointError(
            f"The checkpoint at {path} is from another version of this agent: {first_line(error)}"
        ) from error


def check(path: str, identity: Identity) -> None:
    """Checks that a checkpoint is undamaged and was written by a learner of this identity.

    Args:
        path: of the checkpoint's files, without their endings.
        identity: of the learner that is to read it.

    Raises:
        CheckpointError: files are missing, damaged, or another learner's.
    """
    differences = identity.differences(saved_identity(path))
    if differences:
        raise CheckpointError(
            f"The checkpoint at {path} was written with {', '.join(differences)}. Restore it "
            "with the configuration that it was written with."
        )


def saved_identity(path: str) -> str:
    """Checks that a checkpoint is undamaged; returns what its `Identity` has serialized.

    Args:
        path: of the checkpoint's files, without their endings.

    Raises:
        CheckpointError: files are missing or damaged, or no learner's.
    """
    try:
        # Reading all values also checks every checksum.
        with literal(path) as readable:
            reader = tf.train.load_checkpoint(readable)
            values = {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}
    # TensorFlow raises IndexError for a file that ends early, ValueError for a folder.
    except (tf.errors.OpError, IndexError, ValueError) as error:
        raise CheckpointError(
            f"There is no whole checkpoint at {path}; take another one. ({first_line(error)})"
        ) from error
    if Identity.KEY not in values:
        raise CheckpointError(f"The checkpoint at {path} was not written by a learner.")
    return str(values[Identity.KEY].decode())


def first_line(error: BaseException) -> str:
    """The first line of an error's message; TensorFlow's run over many."""
    return str(error).strip().split("\n")[0]
