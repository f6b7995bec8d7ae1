"""What must hold of an agent, a function each: they raise `CheckError`, which says what to change.

They stand on what `agents.protocol` asks for, and on what the learner, the actors and checkpoints
make of it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from acme import specs

from agents import protocol, registry
from agents.learner import Learner, flatten, unflatten
from agents.types import Transition
from launch.checks.base import Check, CheckError, described, require
from launch.metrics import TIME_COLUMNS

# Gradient steps of one call, and calls, in the checks that learn.
_K, _CALLS = 4, 3
# How far out the states are in which a policy is looked at.
_SCALES = (0.0, 1.0, 1e3)
# Actions at the edges and corners of the box, at most.
_MAX_EDGES = 100
# A number of gradient steps that a period of so many steps divides, for all periods up to 16 and
# for all usual ones (1000, 2500, 4096 ...): whatever is done once a period is done here.
_ROUND_STEP = 2**16 * 3**4 * 5**6 * 7 * 11 * 13
_SEED = (1, 2)


class History(NamedTuple):
    """What became of a learner: the values of its variables, in their order, and more.

    Attributes:
        learner: as it is after all.
        before: the values when it was made.
        checkpoint: what it saved before its last call, file by file.
        at_save: the values then.
        metrics: of its last call.
        after: the values after that.
    """

    learner: Learner
    before: list[np.ndarray]
    checkpoint: Mapping[str, bytes]
    at_save: list[np.ndarray]
    metrics: Mapping[str, Any]
    after: list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Subject:
    """An agent, its settings, and the environment that it is checked for.

    Attributes:
        agent: what is checked, loaded.
        spec: of a canonical environment.
        seed: of everything random.
    """

    agent: registry.LoadedAgent
    spec: specs.EnvironmentSpec
    seed: int = 0

    @property
    def config(self) -> Any:
        """The settings that it is checked with."""
        return self.agent.config

    def make_agent(self) -> protocol.Agent:
        """A new agent."""
        tf.random.set_seed(self.seed)
        return self.agent.agent_class(self.config, self.spec)

    def make_policy(self) -> protocol.Policy:
        """A new policy, as an actor makes it."""
        return self.agent.agent_class.make_policy(self.config, self.spec)

    def make_learner(self, seed: int | None = None) -> Learner:
        """A new learner."""
        return Learner(
            self.agent.agent_class, self.config, self.spec, self.seed if seed is None else seed
        )

    @functools.cached_property
    def history(self) -> History:
        """A learner that has done `_CALLS` calls of `_K` gradient steps; tracing it takes long."""
        learner = self.make_learner()
        before = [variable.numpy() for variable in learner.variables]
        for call in range(_CALLS - 1):
            learner.step(self.batches(_K, seed=call))
        with tempfile.TemporaryDirectory() as folder:
            path = learner.save(str(Path(folder) / "checkpoint"))
            files = {file.name: file.read_bytes() for file in Path(path).parent.iterdir()}
        at_save = [variable.numpy() for variable in learner.variables]
        metrics = learner.step(self.batches(_K, seed=_CALLS - 1))
        after = [variable.numpy() for variable in learner.variables]
        return History(learner, before, files, at_save, metrics, after)

    def batches(self, *leading: int, seed: int = 0) -> Transition:
        """Random batches of the agent's own size, leading shape [*leading, B]."""
        return random_transitions(self.spec, *leading, self.config.batch_size, seed=seed)


def random_transitions(spec: specs.EnvironmentSpec, *leading: int, seed: int = 0) -> Transition:
    """Random transitions of an environment's shapes, a tenth of them terminal; numpy arrays."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    (observation_size,), (action_size,) = spec.observations.shape, spec.actions.shape
    return Transition(
        observation=normal(*leading, observation_size),
        action=rng.uniform(-1.0, 1.0, (*leading, action_size)).astype(np.float32),
        reward=normal(*leading),
        discount=(rng.uniform(size=leading) > 0.1).astype(np.float32),
        next_observation=normal(*leading, observation_size),
    )


def config_is_kept(subject: Subject) -> str:
    """A run's settings are saved as JSON, compared, and read back."""
    agent_class, config_class = subject.agent.agent_class, subject.agent.config_class
    require(
        getattr(agent_class, "Config", None) is config_class,
        f"the class Agent names another Config: write Config = {config_class.__name__} in it",
    )
    config = subject.config
    try:
        fields = json.loads(json.dumps(registry.to_json(config), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CheckError(
            f"Config cannot be written as JSON ({error}): make each field a number, text, bool or "
            "tuple of them, and finite"
        ) from error
    try:
        restored = registry.from_json(config_class, fields)
    except protocol.ConfigError as error:
        raise CheckError(f"Config cannot be read back from JSON: {error}") from error
    require(
        restored == config,
        "Config read back from JSON differs from what was written: make it a frozen dataclass "
        "whose __post_init__ only checks",
    )
    return ""


def is_made(subject: Subject) -> str:
    """The agent can be made, and has a policy and groups."""
    agent = subject.make_agent()
    require(
        isinstance(getattr(agent, "policy", None), protocol.Policy),
        "Agent has no policy: set self.policy in __init__ to a subclass of agents.protocol.Policy "
        "(self.make_policy(config, spec))",
    )
    groups = agent.parameter_groups()
    require(bool(groups), "parameter_groups returns none: nothing would be learned")
    subject.make_policy()
    return ""


def refuses_other_specs(subject: Subject) -> str:
    """An environment that is not canonical is an error where agent and policy are made."""
    image = subject.spec._replace(observations=specs.Array((8, 8, 3), np.uint8))
    for what, make in (
        ("Agent.__init__", subject.agent.agent_class),
        ("make_policy", subject.agent.agent_class.make_policy),
    ):
        try:
            make(subject.config, image)
        except protocol.SpecError:
            continue
        except Exception as error:
            raise CheckError(
                f"{what} fails for images with {described(error)}: call "
                "agents.protocol.check_spec(spec) first (super().__init__ does in the agent)"
            ) from error
        raise CheckError(f"{what} takes images: call agents.protocol.check_spec(spec) first")
    return ""


def policy_has_its_shapes(subject: Subject) -> str:
    """For a batch, in a graph as actors run it."""
    policy, action_size = subject.make_policy(), subject.spec.actions.shape[0]
    states, count = subject.batches().observation[:5], min(5, subject.config.batch_size)
    distribution = policy(tf.constant(states))
    batch_shape, event_shape = distribution.batch_shape, distribution.event_shape
    require(
        batch_shape == [count] and event_shape == [action_size],
        f"for {count} observations the policy's distribution has batch shape {batch_shape} and "
        f"event shape {event_shape}, not [{count}] and [{action_size}]: one distribution over "
        "whole actions for each observation (tfd.Independent makes the last axis the event)",
    )

    @tf.function
    def act(observation: tf.Tensor) -> tuple[tf.Tensor, ...]:
        distribution = policy(observation)
        action = distribution.sample(seed=tf.constant(_SEED))
        many = distribution.sample(3, seed=tf.constant(_SEED))
        return (
            action,
            distribution.mode(),
            distribution.log_prob(action),
            many,
            distribution.log_prob(many),
        )

    results = act(tf.constant(states))
    for name, tensor, shape in zip(
        ("sample(seed=s)", "mode()", "log_prob(action)", "sample(3, seed=s)", "log_prob(actions)"),
        results,
        ([count, action_size], [count, action_size], [count], [3, count, action_size], [3, count]),
        strict=True,
    ):
        require(
            tensor.shape == shape and tensor.dtype == tf.float32,
            f"{name} of the policy's distribution is {tensor.dtype.name} {tensor.shape}, "
            f"not float32 {shape}",
        )
    require(
        bool(tf.reduce_all(act(tf.constant(states))[0] == results[0])),
        "sample(seed=s) draws other actions the next time: use the seed that it is given "
        "(tf.random.stateless_... or the seed= of TFP), and nothing else that is random",
    )
    return ""


def policy_stays_in_the_box(subject: Subject) -> str:
    """Samples and modes, in ordinary states and far out."""
    policy = subject.make_policy()
    for scale in _SCALES:
        distribution = policy(tf.constant(scale * subject.batches().observation))
        for name, action in (
            ("sample", distribution.sample(20, seed=tf.constant(_SEED))),
            ("mode", distribution.mode()),
        ):
            most = float(tf.reduce_max(tf.abs(action)))
            require(
                most <= 1,  # NaN is not.
                f"{name}() reaches {most:g} in states of size {scale:g}, outside [-1, 1]: squash "
                "it (agents.policies.squash.Squashed) or clip it within the distribution",
            )
    return ""


def policy_is_finite_on_the_box(subject: Subject) -> str:
    """Log-densities and their gradients, at the edges and corners too."""
    policy, action_size = subject.make_policy(), subject.spec.actions.shape[0]
    edges = itertools.islice(itertools.product([-1.0, 1.0, 0.0], repeat=action_size), _MAX_EDGES)
    actions = tf.constant(list(edges), tf.float32)
    (state,) = subject.batches().observation[:1]
    for scale in _SCALES:
        states = tf.tile(tf.constant(scale * state[None]), [len(actions), 1])
        with tf.GradientTape() as tape:
            log_prob = policy(states).log_prob(actions)
            total = tf.reduce_sum(log_prob)
        good = np.all(np.isfinite(log_prob), axis=-1) if len(log_prob.shape) > 1 else None
        bad = np.flatnonzero(~np.isfinite(log_prob)) if good is None else np.flatnonzero(~good)
        if len(bad):
            index = int(bad[0])
            raise CheckError(
                f"log_prob of the action {actions[index].numpy().tolist()} is "
                f"{log_prob[index].numpy()} in a state of size {scale:g}: it must be finite on the "
                "whole box, edges included (agents.policies.squash clips before atanh)"
            )
        gradients = tape.gradient(total, policy.trainable_variables)
        for variable, gradient in zip(policy.trainable_variables, gradients, strict=True):
            require(
                gradient is None or bool(np.all(np.isfinite(gradient))),
                f"the gradient of log_prob by {variable.name} is not finite at the edges of the "
                f"box, in a state of size {scale:g}: bound what the network gives (a deviation or "
                "a logit that grows without bound)",
            )
    return ""


def actors_have_the_policy(subject: Subject) -> str:
    """What actors make with `make_policy` takes the parameters of the agent's policy."""
    policies = subject.make_agent().policy, subject.make_policy()
    learned, acting = ([(tuple(v.shape), v.dtype) for v in p.variables] for p in policies)
    require(
        bool(learned),
        "the policy has no variables: create them in its __init__, not at its first call",
    )
    for shape, dtype in learned:
        require(
            dtype == tf.float32,
            f"the policy has a variable of {dtype.name}, shape {list(shape)}: actors are sent "
            "float32 alone",
        )
    require(
        learned == acting,
        f"make_policy makes variables of other shapes, or in another order, than the agent's "
        f"policy has ({_shapes(acting)}, not {_shapes(learned)}): make both the same way",
    )
    states = tf.constant(subject.batches().observation)
    for policy, before in zip(policies, (learned, acting), strict=True):
        policy(states).mode()
        require(
            len(policy.variables) == len(before),
            "calling the policy makes more variables: create all of them in its __init__ (call the "
            "network on tf.zeros([1, observation_size]) there)",
        )
    # As they are after some learning.
    for index, variable in enumerate(policies[0].variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, [index, 2]))
    unflatten(policies[1], flatten(policies[0]))
    modes = [policy(states).mode() for policy in policies]
    require(
        bool(tf.reduce_all(modes[0] == modes[1])),
        "with the same parameters, the policy of make_policy acts otherwise than the agent's: all "
        "that a policy depends on must be its variables and the configuration",
    )
    return ""


def _shapes(described_variables: Sequence[tuple[tuple[int, ...], Any]]) -> str:
    return ", ".join(str(list(shape)) for shape, _ in described_variables) or "none"


def losses_are_scalars(subject: Subject) -> str:
    """Every loss is one finite float32, and every group's loss is there."""
    agent = _initialised(subject)
    losses = agent.losses(_tensors(subject.batches()), tf.constant(_SEED))
    for name, loss in losses.items():
        tensor = tf.convert_to_tensor(loss)
        require(
            tensor.shape == [] and tensor.dtype == tf.float32,
            f"the loss {name!r} is {tensor.dtype.name} {tensor.shape}, not float32 []: take the "
            "mean over the batch (tf.reduce_mean)",
        )
        require(
            math.isfinite(float(tensor)),
            f"the loss {name!r} is {float(tensor)} on random transitions: look for a logarithm, a "
            "division or an exponential without a bound",
        )
    for group in agent.parameter_groups():
        require(
            group.loss in losses,
            f"a parameter group names the loss {group.loss!r}, but losses returns "
            f"{', '.join(map(repr, losses)) or 'none'}: use the same names",
        )
    return ""


def gradients_reach_every_variable(subject: Subject) -> str:
    """Every variable of a group gets a gradient of its loss, and moves when learning."""
    learner = subject.make_learner()
    batch = _tensors(subject.batches())
    learner.agent.initialize(batch)
    _, gradients = learner.losses_and_gradients(batch)
    paths = _paths(learner.agent)
    for loss, found in gradients.items():
        missing = [
            paths[variable.ref()]
            for variable, gradient in zip(learner.variables_of(loss), found, strict=True)
            if gradient is None
        ]
        require(
            not missing,
            f"no gradient of the loss {loss!r} reaches {_listed(missing)}: use them in that loss "
            "(is there a tf.stop_gradient, or numpy, between?), or take them out of its group",
        )
    history = subject.history
    in_groups, paths = _in_groups(history.learner.agent), _paths(history.learner.agent)
    still = [
        paths[variable.ref()]
        for variable, was, now in zip(
            history.learner.variables, history.before, history.after, strict=True
        )
        if variable.ref() in in_groups and np.array_equal(was, now)
    ]
    require(
        not still,
        f"{_K * _CALLS} gradient steps move {_listed(still)} by nothing: the gradient is zero (is "
        "it multiplied by 0, or cut off by a clip or a dead unit?), or the learning rate is",
    )
    return f"{len(in_groups)} variables"


def every_variable_is_accounted_for(subject: Subject) -> str:
    """Each trainable variable is trained by a group, or a target, which moves in `after_step`."""
    agent = subject.make_agent()
    paths, in_groups = _paths(agent), _in_groups(agent)
    require(
        in_groups <= paths.keys(),
        "a parameter group has variables that the agent does not hold, so no checkpoint would: "
        "keep their module as an attribute of the agent",
    )
    others = [v for v in agent.trainable_variables if v.ref() not in in_groups]
    agent.initialize(_tensors(subject.batches()))
    # Whatever it is that they follow has moved.
    for variable in agent.variables:
        if variable.ref() in in_groups:
            variable.assign_add(tf.fill(variable.shape, 0.01))
    before = [variable.numpy() for variable in others]
    batch, seed = _tensors(subject.batches(seed=1)), tf.constant(_SEED)

    @tf.function
    def once_a_period() -> None:
        agent.after_step(tf.constant(_ROUND_STEP, tf.int64), batch, seed)

    once_a_period()
    lost = [
        paths[variable.ref()]
        for variable, was in zip(others, before, strict=True)
        if np.array_equal(variable.numpy(), was) and "target" not in paths[variable.ref()]
    ]
    require(
        not lost,
        f"no parameter group has {_listed(lost)}, and after_step does not move them: put them into "
        "a group; or move them in after_step if they are targets; or, if they are to stay as they "
        "are, make them with trainable=False or call them _target_...",
    )
    return ""


def learns_in_one_graph(subject: Subject) -> str:
    """Steps, targets and metrics within `tf.function`; all that they leave is finite."""
    learner, metrics = subject.history.learner, subject.history.metrics
    for name, value in metrics.items():
        tensor = tf.convert_to_tensor(value)
        require(
            tensor.shape == [] and tensor.dtype == tf.float32,
            f"the metric {name!r} is {tensor.dtype.name} {tensor.shape}, not float32 []",
        )
    own = learner.agent.metrics(_tensors(subject.batches()), tf.constant(_SEED))
    # The learner's own columns.
    taken = [n for n in own if n.partition("/")[0] in ("loss", "gradient_norm", *TIME_COLUMNS)]
    require(not taken, f"metrics returns {_listed(taken)}, the learner's own: give other names")
    require(
        learner.skipped_steps == 0,
        f"{learner.skipped_steps} of {learner.steps} gradient steps on random transitions had a "
        "loss or a gradient that is not finite: bound what grows (a logarithm, a ratio, an "
        "exponential), or start with a lower learning_rate",
    )
    spoilt = learner.not_finite()
    require(not spoilt, f"after {learner.steps} gradient steps {_listed(spoilt)} is not finite")
    bad = [name for name, value in metrics.items() if not math.isfinite(float(value))]
    require(
        not bad, f"after {learner.steps} gradient steps the metrics {_listed(bad)} are not finite"
    )
    return f"{', '.join(sorted(metrics))}"


def calls_may_have_any_length(subject: Subject) -> str:
    """K gradient steps in one call are K calls of one step, to the last bit."""
    single = subject.make_learner()
    for call in range(_CALLS - 1):
        superbatch = subject.batches(_K, seed=call)
        for k in range(_K):
            single.step(Transition(*(field[k : k + 1] for field in superbatch)))
    _require_same(
        subject.history.at_save,
        single,
        f"{_K} gradient steps in one call differ from {_K} calls of one step, in {{}}: change "
        "variables in after_step, which follows each step, and not in metrics, which ends a call",
    )
    return ""


def goes_on_from_a_checkpoint(subject: Subject) -> str:
    """A learner that is saved and restored continues to the last bit."""
    history, second = subject.history, subject.make_learner(subject.seed + 1)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in history.checkpoint.items():
            (Path(folder) / name).write_bytes(content)
        second.restore(str(Path(folder) / "checkpoint"))
    _require_same(
        history.at_save,
        second,
        "a checkpoint does not bring back {}: keep its module as an attribute of the agent",
    )
    second.step(subject.batches(_K, seed=_CALLS - 1))
    _require_same(
        history.after,
        second,
        "a learner that goes on from a checkpoint learns otherwise than one that never stopped, in "
        "{}: keep all that changes in tf.Variables of the agent, and take all that is random from "
        "the seed",
    )
    return ""


def _require_same(expected: Sequence[np.ndarray], found: Learner, message: str) -> None:
    paths = _paths(found.agent)
    differing = [
        # The optimisers' are not the agent's.
        paths.get(variable.ref(), variable.name)
        for value, variable in zip(expected, found.variables, strict=True)
        if not np.array_equal(value, variable.numpy(), equal_nan=value.dtype.kind == "f")
    ]
    require(not differing, message.format(_listed(differing)))


def _in_groups(agent: protocol.Agent) -> set[Any]:
    return {v.ref() for group in agent.parameter_groups() for v in group.variables}


def _initialised(subject: Subject) -> protocol.Agent:
    agent = subject.make_agent()
    agent.initialize(_tensors(subject.batches()))
    return agent


def _tensors(transitions: Transition) -> Transition:
    return Transition(*map(tf.convert_to_tensor, transitions))


def _paths(agent: protocol.Agent) -> dict[Any, str]:
    """Where in the agent each of its variables is, as one would write it."""
    found = agent._flatten(with_path=True, predicate=lambda x: isinstance(x, tf.Variable))
    return {variable.ref(): _written(path) for path, variable in found}


def _written(path: Iterable[Any]) -> str:
    text = ""
    for part in path:
        # Keys of containers come as tuples of their attribute and themselves.
        if isinstance(part, tuple):
            text += f".{part[0]}" + "".join(f"[{key!r}]" for key in part[1:])
        elif isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}"
    return text.removeprefix(".")


def _listed(names: Sequence[str], most: int = 6) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


CHECKS: Sequence[Check[Subject]] = (
    Check("the configuration is kept as JSON", config_is_kept, is_needed=True),
    Check("the agent is made for the environment", is_made, is_needed=True),
    Check("environments that are not canonical are refused", refuses_other_specs),
    Check("the policy's samples, modes and densities have their shapes", policy_has_its_shapes),
    Check("its actions stay within [-1, 1]", policy_stays_in_the_box),
    Check("its densities are finite on the box, edges included", policy_is_finite_on_the_box),
    Check("actors load what the agent learns", actors_have_the_policy),
    Check("the losses are finite scalars", losses_are_scalars, is_needed=True),
    Check("gradients reach every variable of the groups", gradients_reach_every_variable),
    Check("every variable is trained or a target", every_variable_is_accounted_for),
    Check("gradient steps, targets and metrics work in one graph", learns_in_one_graph),
    Check("K steps in one call are K calls", calls_may_have_any_length),
    Check("a restored learner goes on bit for bit", goes_on_from_a_checkpoint),
)
