"""The policy of a run as files that need no part of this project, checked against the original."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

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

# Random states on which what is exported is held against the original.
_STATES = 256
# By how much actions, in [-1, 1], and log-probabilities, in nats, may differ: sums of float32 are
# not the same in another order.
_ACTION_TOLERANCE = 1e-4
_LOG_PROB_TOLERANCE = 1e-3
# Of the samples' means: of _STATES states so many actions each, and standard errors.
_SAMPLES = 500
_STANDARD_ERRORS = 6.0


class Difference(NamedTuple):
    """The greatest difference of an exported policy from the original, over random states.

    Attributes:
        mode: of the actions that `mode` gives, but for states where another one is just as dense.
        log_prob: of the log-probabilities of actions that the original draws, in nats.
        sample: of the actions drawn with the same seed; or, of a policy whose random numbers are
            others, of the means of draws and of their squares, in standard errors.
    """

    mode: float
    log_prob: float
    sample: float


class Export(NamedTuple):
    """What was exported.

    Attributes:
        folder: where it is.
        saved_model: the difference of the SavedModel.
        numpy: the difference of the NumPy policy; None where its form is not known.
        policy_class: the name of the policy's class.
    """

    folder: Path
    saved_model: Difference
    numpy: Difference | None
    policy_class: str


def export(folder: RunFolder, experiment: Experiment, checkpoint: Checkpoint, out: Path) -> Export:
    """Writes a policy to a new folder, whole or not at all.

    Args:
        folder: of the run.
        experiment: of the run.
        checkpoint: of the run.
        out: the folder to make; there must be nothing of that name, or an empty folder.

    Raises:
        RunError: the checkpoint is damaged, or another experiment's.
        FatalError: what was exported is not the same policy as the original.
        OSError: the folder cannot be written.
    """
    policy = load_policy(experiment, checkpoint)
    environment = _described_environment(experiment)
    observation_size = sum(part["size"] for part in environment["observation"])
    action_size = len(environment["action"]["minimum"])
    rng = np.random.default_rng(experiment.seed)
    states = rng.standard_normal((_STATES, observation_size)).astype(np.float32)

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{temporary_path(out).name}.", dir=out.parent
    ) as temporary:
        made = Path(temporary) / "export"
        made.mkdir()
        module = _Exported(policy, observation_size, action_size)
        module.save(made / SAVED_MODEL)
        saved_model = _check_saved_model(made / SAVED_MODEL, module, states)
        numpy = None
        # A class that derives from one whose form is known may have changed what it does.
        arrays = policy.numpy_form() if "numpy_form" in vars(type(policy)) else None
        if arrays is not None:
            np.savez(made / ARRAYS, **arrays)
            shutil.copyfile(standalone.__file__, made / SOURCE)
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


class _Exported(tf.Module):
    """A policy's three functions, for any number of states B."""

    def __init__(self, policy: Policy, observation_size: int, action_size: int):
        super().__init__()
        self._policy = policy
        observation = tf.TensorSpec([None, observation_size], tf.float32, "observation")
        action = tf.TensorSpec([None, action_size], tf.float32, "action")
        seed = tf.TensorSpec([2], tf.int32, "seed")

        def function(body: Callable[..., tf.Tensor], *signature: tf.TensorSpec) -> Any:
            return tf.function(body, input_signature=signature)

        self.mode = function(lambda observation: policy(observation).mode(), observation)
        self.sample = function(
            lambda observation, seed: policy(observation).sample(seed=seed), observation, seed
        )
        self.log_prob = function(
            lambda observation, action: policy(observation).log_prob(action), observation, action
        )

    def save(self, path: Path) -> None:
        """Writes the SavedModel; raises `OSError` where it cannot."""
        signatures = {name: getattr(self, name) for name in ("mode", "sample", "log_prob")}
        try:
            tf.saved_model.save(self, str(path), signatures=signatures)
        except tf.errors.OpError as error:
            raise OSError(str(error).strip().splitlines()[0]) from error


def _described_environment(experiment: Experiment) -> dict[str, Any]:
    """What a policy's numbers mean outside: each part of an observation, and the actions' range."""
    layout = experiment.known_layout()
    observation = [
        {
            "name": "/".join(map(str, part.path)) or "observation",
            "shape": list(part.shape),
            "size": part.size,
        }
        for part in layout.observation
    ]
    return {
        "action_repeat": experiment.action_repeat,
        "observation": observation,
        "action": {"minimum": list(layout.low), "maximum": list(layout.high)},
    }


def _check_saved_model(
    path: Path, original: _Exported, states: npt.NDArray[np.float32]
) -> Difference:
    loaded: Mapping[str, Any] = tf.saved_model.load(str(path)).signatures
    observation, seed = tf.constant(states), tf.constant([7, 11], tf.int32)

    def output_of(name: str, **inputs: tf.Tensor) -> npt.NDArray[np.float32]:
        (result,) = loaded[name](**inputs).values()
        output: npt.NDArray[np.float32] = result.numpy()
        return output

    drawn = original.sample(observation, seed)
    difference = Difference(
        _mode_difference(original, states, output_of("mode", observation=observation)),
        _greatest(
            output_of("log_prob", observation=observation, action=drawn)
            - original.log_prob(observation, drawn).numpy()
        ),
        _greatest(output_of("sample", observation=observation, seed=seed) - drawn.numpy()),
    )
    _require_same(difference, "SavedModel", _ACTION_TOLERANCE)
    return difference


def _check_numpy(
    path: Path, original: _Exported, states: npt.NDArray[np.float32], rng: np.random.Generator
) -> Difference:
    policy = standalone.Policy.load(path)
    observation, seed = tf.constant(states), tf.constant([7, 11], tf.int32)
    drawn = original.sample(observation, seed)
    log_probs = original.log_prob(observation, drawn).numpy()
    difference = Difference(
        _mode_difference(original, states, policy.mode(states)),
        _greatest(policy.log_prob(states, drawn.numpy()) - log_probs),
        _sample_difference(original, policy, states, rng),
    )
    _require_same(difference, "NumPy policy", _STANDARD_ERRORS)
    return difference


def _mode_difference(
    original: _Exported, states: npt.NDArray[np.float32], modes: npt.NDArray[np.float32]
) -> float:
    """The greatest, leaving out modes that the original gives the same probability as its own."""
    own = original.mode(tf.constant(states))
    apart = np.abs(modes - own.numpy()).max(axis=1)
    of_own, of_other = (original.log_prob(tf.constant(states), a).numpy() for a in (own, modes))
    is_as_good = np.abs(of_own - of_other) <= _LOG_PROB_TOLERANCE
    apart[is_as_good & (apart > _ACTION_TOLERANCE)] = 0.0
    return _greatest(apart)


def _sample_difference(
    original: _Exported,
    policy: standalone.Policy,
    states: npt.NDArray[np.float32],
    rng: np.random.Generator,
) -> float:
    """Of the means of draws and of their squares, over all states, in standard errors.

    By quarters of the states, so that what differs in some is not lost in the mean over all.
    """
    greatest = 0.0
    for index, some in enumerate(np.split(states, 4)):
        many = np.repeat(some, _SAMPLES, axis=0)
        seed = tf.constant([13, index], tf.int32)
        theirs = original.sample(tf.constant(many), seed).numpy().astype(np.float64)
        ours = policy.sample(many, rng).astype(np.float64)
        for power in (1, 2):
            a, b = theirs**power, ours**power
            error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a)) + 1e-6
            greatest = max(greatest, _greatest((a.mean(axis=0) - b.mean(axis=0)) / error))
    return greatest


def _greatest(differences: npt.NDArray[Any]) -> float:
    """Of the absolute values; NaN where one of them is."""
    return float(np.abs(differences).max())


def _require_same(difference: Difference, what: str, sample_tolerance: float) -> None:
    limits = Difference(_ACTION_TOLERANCE, _LOG_PROB_TOLERANCE, sample_tolerance)
    for name, found, limit in zip(Difference._fields, difference, limits, strict=True):
        # A comparison with NaN is false.
        if not found <= limit:
            raise FatalError(
                f"The {what} is not the policy that it was made of: {name} differs by {found:.2g}, "
                f"more than {limit:.2g}. Nothing has been exported."
            )
