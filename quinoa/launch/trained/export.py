"""Exports a policy to files that need no part of this project, and compares them with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import graphs, numpy_policy
from quinoa.agents.literal_path import literal
from quinoa.agents.observations import ObservationSet, Vector, observation_set
from quinoa.agents.policies import standalone
from quinoa.launch.errors import FatalError
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS
from quinoa.launch.storage.files import temporary_path, write_json
from quinoa.launch.trained.evaluate import load_policy

if TYPE_CHECKING:
    from quinoa.agents.protocol import Policy
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.run.run_folder import RunFolder

SAVED_MODEL = "saved_model"
ARRAYS, SOURCE, DESCRIPTION = "policy.npz", "policy.py", "policy.json"

# The number of random states on which the exported policy is compared with the original.
_STATES = 256
# How much actions, in [-1, 1], and log-probabilities, in nats, may differ: float32 sums depend on
# their order.
_ACTION_TOLERANCE = 1e-4
_LOG_PROB_TOLERANCE = 1e-3
# How many samples per state the means are compared over, and by how many standard errors they may
# differ.
_SAMPLES = 500
# The most bytes of images that are compared at a time.
_IMAGE_BYTES = 2**24
_STANDARD_ERRORS = 6.0


class Difference(NamedTuple):
    """The greatest differences of an exported policy from the original, over random states.

    Attributes:
        mode: the difference of modes, except where two actions are equally probable; None if the
            policy has no mode.
        log_prob: the difference of log-probabilities of the original's samples, in nats; None if
            the policy has no density.
        sample: the difference of samples with the same seed. If the exported policy has other
            random numbers, that of the means of samples and of their squares, in standard errors.
    """

    mode: float | None
    log_prob: float | None
    sample: float


class Export(NamedTuple):
    """An exported policy.

    Attributes:
        folder: the folder of its files.
        saved_model: the SavedModel's difference from the original.
        numpy: the NumPy policy's difference; None if the policy has no NumPy form.
        policy_class: the name of the policy's class.
    """

    folder: Path
    saved_model: Difference
    numpy: Difference | None
    policy_class: str


def export(folder: RunFolder, experiment: Experiment, checkpoint: Checkpoint, out: Path) -> Export:
    """Writes a policy to a new folder, atomically.

    Args:
        folder: the run's folder.
        experiment: the run's experiment.
        checkpoint: the checkpoint whose policy to export.
        out: the folder to create; it must not exist, or be empty.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        FatalError: the exported policy differs from the original.
        OSError: the folder cannot be written.
    """
    policy = load_policy(experiment, checkpoint)
    environment = _described_environment(experiment)
    observations, actions = experiment.spec().observations, experiment.spec().actions
    rng = np.random.default_rng(experiment.seed)
    states = _random_states(observation_set(observations), rng)

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{temporary_path(out).name}.", dir=out.parent
    ) as temporary:
        made = Path(temporary) / "export"
        made.mkdir()
        module = _PolicyModule(policy, observations, actions)
        module.save(made / SAVED_MODEL)
        saved_model = _check_saved_model(made / SAVED_MODEL, module, states)
        numpy = None
        arrays = numpy_policy.arrays_of(policy)
        if arrays is not None:
            np.savez(made / ARRAYS, **arrays)
            (made / SOURCE).write_text(standalone.one_file(), encoding="utf-8")
            numpy = _check_numpy(made / ARRAYS, module, states, rng)
        counts = checkpoint.counts()
        description = {
            "agent": experiment.agent,
            "environment": experiment.environment,
            "run": folder.root.name,
            LEARNER_STEPS: counts.learner_steps,
            ACTOR_STEPS: counts.actor_steps,
            "policy_class": type(policy).__name__,
            **environment,
            "saved_model_difference": saved_model._asdict(),
            "numpy_difference": None if numpy is None else numpy._asdict(),
        }
        write_json(made / DESCRIPTION, description)
        os.replace(made, out)
    return Export(out, saved_model, numpy, type(policy).__name__)


class _PolicyModule(tf.Module):
    """A policy's functions, for batches of any size B: `sample`, `mode` and `log_prob`.

    The latter two are None where the policy has no mode, or no density.
    """

    def __init__(self, policy: Policy, observations: Any, actions: Any):
        super().__init__()
        self._policy = policy
        shape = [None, *observations.shape]
        observation = tf.TensorSpec(shape, observations.dtype, "observation")
        action = tf.TensorSpec([None, *actions.shape], actions.dtype, "action")
        seed = tf.TensorSpec([2], tf.int32, "seed")

        self.mode: Any = None
        self.log_prob: Any = None
        if policy.has_mode:
            self.mode = graphs.trace(
                lambda observation: policy.deterministic_action(policy(observation)), observation
            )
        self.sample = graphs.trace(
            lambda observation, seed: policy(observation).sample(seed=seed), observation, seed
        )
        if policy.has_density:
            self.log_prob = graphs.trace(
                lambda observation, action: policy(observation).log_prob(action),
                observation,
                action,
            )

    def save(self, path: Path) -> None:
        """Writes the SavedModel; raises `OSError` if that fails."""
        functions = {"mode": self.mode, "sample": self.sample, "log_prob": self.log_prob}
        signatures = {name: each for name, each in functions.items() if each is not None}
        try:
            tf.saved_model.save(self, str(path), signatures=signatures)
        except tf.errors.OpError as error:
            raise OSError(str(error).strip().splitlines()[0]) from error


def _random_states(observations: ObservationSet, rng: np.random.Generator) -> npt.NDArray[Any]:
    """States to compare policies in, float32 [S, O] or uint8 [S, H, W, C]."""
    shape = (_STATES, *observations.shape)
    if isinstance(observations, Vector):
        return rng.standard_normal(shape).astype(np.float32)
    return rng.integers(observations.maximum, size=shape, dtype=np.uint8, endpoint=True)


def _described_environment(experiment: Experiment) -> dict[str, Any]:
    """Describes the parts of an observation and the range of actions, for users of the export."""
    layout = experiment.known_layout()
    observation = [
        {
            "name": "/".join(map(str, part.path)) or "observation",
            "shape": list(part.shape),
            "size": part.size,
            **({"categories": list(part.categories)} if part.categories else {}),
            **({"starts": list(part.starts)} if any(part.starts) else {}),
            **({} if part.own_shape is None else {"own_shape": list(part.own_shape)}),
        }
        for part in layout.observation
    ]
    action: dict[str, Any] = {"minimum": list(layout.low), "maximum": list(layout.high)}
    if layout.number_of_actions is not None:
        action = {"number": layout.number_of_actions}
        if layout.first_action:
            action["first"] = layout.first_action
    elif layout.numbers_of_actions:
        action = {"numbers": list(layout.numbers_of_actions), "first": list(map(int, layout.low))}
    # Images are not converted: policies take their pixels, uint8, as they are.
    maximum = layout.image_maximum
    image = {} if maximum is None else {"image": {"dtype": "uint8", "maximum": maximum}}
    return {
        "action_repeat": experiment.action_repeat,
        "observation": observation,
        **image,
        "action": action,
    }


def _check_saved_model(path: Path, original: _PolicyModule, states: npt.NDArray[Any]) -> Difference:
    with literal(str(path)) as readable:
        loaded: Mapping[str, Any] = tf.saved_model.load(readable).signatures
    observation, seed = tf.constant(states), tf.constant([7, 11], tf.int32)

    def output_of(name: str, **inputs: tf.Tensor) -> npt.NDArray[np.float32]:
        (result,) = loaded[name](**inputs).values()
        output: npt.NDArray[np.float32] = result.numpy()
        return output

    drawn = original.sample(observation, seed)
    of_modes = of_log_probs = None
    if original.mode is not None:
        modes = output_of("mode", observation=observation)
        of_modes = _mode_difference(original, states, modes)
    if original.log_prob is not None:
        log_probs = output_of("log_prob", observation=observation, action=drawn)
        of_log_probs = _greatest(log_probs - original.log_prob(observation, drawn).numpy())
    of_samples = output_of("sample", observation=observation, seed=seed) - drawn.numpy()
    difference = Difference(of_modes, of_log_probs, _greatest(of_samples))
    _require_same(difference, "SavedModel", _ACTION_TOLERANCE)
    return difference


def _check_numpy(
    path: Path, original: _PolicyModule, states: npt.NDArray[Any], rng: np.random.Generator
) -> Difference:
    policy = standalone.Policy.load(path)
    observation, seed = tf.constant(states), tf.constant([7, 11], tf.int32)
    of_modes = of_log_probs = None
    if original.mode is not None:
        of_modes = _mode_difference(original, states, policy.mode(states))
    if original.log_prob is not None:
        drawn = original.sample(observation, seed)
        log_probs = original.log_prob(observation, drawn).numpy()
        of_log_probs = _greatest(policy.log_prob(states, drawn.numpy()) - log_probs)
    of_samples = _sample_difference(original, policy, states, rng)
    difference = Difference(of_modes, of_log_probs, of_samples)
    _require_same(difference, "NumPy policy", _STANDARD_ERRORS)
    return difference


def _mode_difference(
    original: _PolicyModule, states: npt.NDArray[Any], modes: npt.NDArray[np.float32]
) -> float:
    """The greatest difference of modes; one that is equally probable counts as equal."""
    own = original.mode(tf.constant(states))
    difference = np.abs(modes - own.numpy()).reshape(len(modes), -1).max(axis=1)
    if original.log_prob is None:
        return _greatest(difference)
    of_own, of_other = (original.log_prob(tf.constant(states), a).numpy() for a in (own, modes))
    equally_probable = np.abs(of_own - of_other) <= _LOG_PROB_TOLERANCE
    difference[equally_probable & (difference > _ACTION_TOLERANCE)] = 0.0
    return _greatest(difference)


def _sample_difference(
    original: _PolicyModule,
    policy: standalone.Policy,
    states: npt.NDArray[Any],
    rng: np.random.Generator,
) -> float:
    """The greatest difference of the means of samples and of their squares, in standard errors.

    The means are over quarters of the states, so that a difference in some states is not lost in
    the mean over all.
    """
    greatest = 0.0
    for index, some in enumerate(np.split(states, 4)):
        number = _SAMPLES
        if some.dtype == np.uint8:
            # A convolution's patches take many times the memory of the images.
            number = min(number, max(_IMAGE_BYTES // some.nbytes, 2))
        many = np.repeat(some, number, axis=0)
        seed = tf.constant([13, index], tf.int32)
        theirs = original.sample(tf.constant(many), seed).numpy().astype(np.float64)
        ours = policy.sample(many, rng).astype(np.float64)
        for power in (1, 2):
            a, b = theirs**power, ours**power
            error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a)) + 1e-6
            greatest = max(greatest, _greatest((a.mean(axis=0) - b.mean(axis=0)) / error))
    return greatest


def _greatest(differences: npt.NDArray[Any]) -> float:
    """The greatest absolute value; NaN if there is a NaN."""
    return float(np.abs(differences).max())


def _require_same(difference: Difference, what: str, sample_tolerance: float) -> None:
    limits = Difference(_ACTION_TOLERANCE, _LOG_PROB_TOLERANCE, sample_tolerance)
    for name, found, limit in zip(Difference._fields, difference, limits, strict=True):
        # Comparisons with NaN are false.
        if found is not None and limit is not None and not found <= limit:
            raise FatalError(
                f"The {what} is not the policy that it was made of: {name} differs by {found:.2g}, "
                f"more than {limit:.2g}. Nothing has been exported."
            )
