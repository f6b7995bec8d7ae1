"""The learner: K gradient steps in one graph call, for any agent."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import sonnet as snt
import tensorflow as tf
from acme import specs

from quinoa.agents import (
    averaging,
    graphs,
    initialization,
    learner_checkpoint,
    learner_status,
    parameter_groups,
    parameter_vector,
    preprocessing,
    protocol,
    resets,
)
from quinoa.agents.optimization import Optimization
from quinoa.agents.types import Transition

_Steps = Callable[[tf.Tensor, Transition], tuple[Mapping[str, tf.Tensor], tf.Tensor]]


class Learner(snt.Module):
    """Minimises an agent's losses.

    All randomness comes from `seed` and the number of the gradient step. So a learner that is
    restored from a checkpoint computes what it would have computed without the interruption, and
    the number of steps in a call changes nothing. `status` says what came of the last call.
    """

    def __init__(
        self,
        agent_class: type[protocol.Agent],
        config: protocol.LearnerConfig,
        spec: specs.EnvironmentSpec,
        seed: int,
        *,
        gradient_steps: int | None = None,
        jit_compile: bool | None = None,
    ):
        """Makes the agent and its optimisers.

        Args:
            agent_class: the agent's class. Its observations are normalised where the configuration
                asks for that.
            config: the agent's configuration.
            spec: the specs of the (canonical) environment.
            seed: seeds the initial parameters and the learner's random numbers. TensorFlow's global
                seed is set to it.
            gradient_steps: of the whole run, at least 1, over which a schedule of learning rates
                goes; None is for a configuration without one.
            jit_compile: whether XLA makes one program of the K steps. None is where there is a GPU,
                which so many small operations would leave idle; on a CPU it is slower.

        Raises:
            SpecError: the specs are not canonical.
            ValueError: the agent puts a variable into two parameter groups, or a group's period is
                not an integer of at least 1; or there is a schedule, and no `gradient_steps`.
        """
        super().__init__(name="learner")
        agent_class = preprocessing.applied(agent_class, config)
        self._make_agent = functools.partial(agent_class, config, spec)
        with initialization.alone(seed):
            self.agent = self._make_agent()
        self._config = config
        # int64: variables of int32 stay on the CPU, where XLA's program on a GPU cannot read them.
        self._seed = tf.Variable([seed % 2**31, 0x51], dtype=tf.int64, trainable=False, name="seed")
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="steps")
        self._initialized = tf.Variable(False, trainable=False, name="initialized")
        # Not in the checkpoint, as what has been learned does not depend on it.
        self._skipped = tf.Variable(0, dtype=tf.int64, trainable=False, name="skipped")
        # The same, kept here too: a variable's value would be waited for at each call.
        self._is_initialized = False
        self._taken: Sequence[tf.Variable] = ()  # See `begin_with_networks`.
        if jit_compile is None:
            jit_compile = bool(tf.config.list_physical_devices("GPU"))
        self._jit_compile = jit_compile
        # Traced at the first step, or by `prepare`, which have the shapes of a batch.
        self._fused_steps: _Steps | None = None
        self._groups = list(self.agent.parameter_groups())
        parameter_groups.check(self._groups)
        self._optimization = Optimization(self._groups, config, self._steps, gradient_steps)
        self._joined = parameter_vector.Joined(self.agent.policy.variables)
        rate = config.evaluation_average
        self._average = averaging.Average(self.agent.policy, rate) if rate else None
        # All that a step that went wrong could spoil.
        self._float_variables = [v for v in self._learned() if v.dtype.is_floating]
        self.status = learner_status.LearnerStatus(
            self._steps, self._skipped, self._float_variables, jit_compile=jit_compile
        )
        self._identity = learner_checkpoint.Identity(agent_class, config, spec)
        self._checkpoint = tf.train.Checkpoint(
            agent=self.agent,
            optimizers=self._optimization.optimizers,
            seed=self._seed,
            steps=self._steps,
            initialized=self._initialized,
            identity=self._identity,
            # Under a name that checkpoints without it do not have.
            **({} if self._average is None else {"average": self._average}),
        )

    @property
    def steps(self) -> int:
        """The number of gradient steps done, those skipped included."""
        return self.status.steps

    @property
    def state(self) -> list[tf.Variable]:
        """What a checkpoint contains: what is learned or averaged, and the counters."""
        return [*self._learned(), self._seed, self._steps, self._initialized]

    def _learned(self) -> list[tf.Variable]:
        """The agent's variables, the optimisers' and the average's."""
        of_optimizers = [v for each in self._optimization.optimizers for v in each.variables()]
        average = () if self._average is None else self._average.variables
        return [*self.agent.variables, *of_optimizers, *average]

    @property
    def skipped_steps(self) -> int:
        """The number of gradient steps that this object has skipped, whatever it restored."""
        return self.status.skipped

    def prepare(self, superbatch: Transition) -> None:
        """Traces and optimises the graph of `step`, which the first step would do otherwise.

        Nothing that is learned or remembered moves, so what is learned is the same bit for bit.

        Args:
            superbatch: of the shapes and types of those that are to come; the values do not matter.

        Raises:
            Exception: whatever the agent raises in tracing.
        """
        superbatch = tf.nest.map_structure(tf.convert_to_tensor, superbatch)
        steps = self._traced(superbatch)
        # TensorFlow optimises a graph at its first call, which may compute metrics of values that
        # no environment gives: an agent's own check of those must not end a run.
        with contextlib.suppress(tf.errors.OpError):
            steps(tf.constant(0), superbatch)

    def step(self, superbatch: Transition) -> Mapping[str, tf.Tensor]:
        """Does K gradient steps.

        One with a loss, a norm of its gradients or a statistic that is not finite is skipped whole:
        nothing that is learned or remembered moves, as `Agent.after_step` is not called. It counts
        as done, so that the steps after it have the random numbers that they would have had.

        Args:
            superbatch: K batches, leading shape [K, B].

        Returns:
            float32 [] each, not waited for: the mean over the steps that were not skipped of each
            loss (`loss` or, where there are several, `loss/NAME`) and of the gradients' norm before
            clipping (`gradient_norm` or `gradient_norm/NAME`), and the agent's metrics on the last
            batch of those. NaN, and the last batch, if all were skipped. Where there
            is a reset, they are of the steps after it.

        Raises:
            ValueError: a parameter group names a loss that the agent does not return.
        """
        superbatch = tf.nest.map_structure(tf.convert_to_tensor, superbatch)
        period = self._config.reset_period
        if not period:
            return self._steps_between_resets(superbatch)
        for begin, end, after_reset in resets.spans(self.steps, superbatch.reward.shape[0], period):
            if after_reset:
                self._reset()
            part = tf.nest.map_structure(lambda x: x[begin:end], superbatch)  # noqa: B023
            metrics = self._steps_between_resets(part)
        return metrics

    def _steps_between_resets(self, superbatch: Transition) -> Mapping[str, tf.Tensor]:
        if not self._is_initialized:
            with initialization.keeping(self._taken):
                self.agent.initialize(tf.nest.map_structure(lambda x: x[0], superbatch))
            self._initialized.assign(True)
            self._is_initialized = True
        metrics, status = self._traced(superbatch)(tf.constant(len(superbatch.reward)), superbatch)
        self.status.keep(status)
        return metrics

    def _reset(self) -> None:
        resets.renew(self.agent, self._make_agent, [*self._seed.numpy().tolist(), self.steps])
        self._optimization.restart()
        if self._average is not None:
            self._average.restart()
        self._taken, self._is_initialized = (), bool(self._initialized.assign(False))

    def _traced(self, superbatch: Transition) -> _Steps:
        if self._fused_steps is None:
            # One graph for every K.
            batches = tf.nest.map_structure(
                lambda field: tf.TensorSpec([None, *field.shape[1:]], field.dtype), superbatch
            )
            self._fused_steps = graphs.trace(
                self._steps_and_metrics,
                tf.TensorSpec([], tf.int32),
                batches,
                jit_compile=self._jit_compile,
            )
        return self._fused_steps

    def _steps_and_metrics(
        self, num_steps: tf.Tensor, superbatch: Transition
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Does so many of the superbatch's gradient steps, or none; see `step` and `prepare`."""
        names = parameter_groups.loss_names(self._groups)

        def step(
            k: tf.Tensor, totals: tf.Tensor, num_good: tf.Tensor, last_good: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
            values, is_good = self._one_step(tf.nest.map_structure(lambda x: x[k], superbatch))
            # Not a product with 0, which leaves what is not finite so.
            totals += tf.where(is_good, values, 0.0)
            num_good += tf.cast(is_good, tf.int32)
            return k + 1, totals, num_good, tf.where(is_good, k, last_good)

        none_done = (0, tf.zeros([2, len(names)]), 0, tf.maximum(num_steps - 1, 0))
        _, totals, num_good, last_good = tf.while_loop(lambda k, *_: k < num_steps, step, none_done)
        self._skipped.assign_add(tf.cast(num_steps - num_good, tf.int64))
        means = totals / tf.cast(num_good, tf.float32)
        last = tf.nest.map_structure(lambda x: x[last_good], superbatch)
        metrics = {
            **self.agent.metrics(last, self._step_seed(2)),
            **self._optimization.metrics(),
            **parameter_groups.metrics(names, means),
        }
        return metrics, self.status.in_graph()

    def _one_step(self, batch: Transition) -> tuple[tf.Tensor, tf.Tensor]:
        """Does one gradient step, unless a loss, a norm of gradients or a statistic is not finite.

        Returns:
            The losses and their gradients' norms, float32 [2, number of losses]; whether it was
            done, bool [].
        """
        losses, gradients, statistics = self.losses_and_gradients(batch)
        norms = [tf.linalg.global_norm(gradients[name]) for name in losses]
        values = tf.stack([list(losses.values()), norms])
        numbers = [values, *tf.nest.flatten(statistics)]
        is_good = tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in numbers])
        self._steps.assign_add(1)

        def move() -> None:
            self._optimization.apply(gradients, norms)
            self.agent.keep_statistics(self._steps, statistics)
            self.agent.after_step(self._steps, batch, self._step_seed(1))
            if self._average is not None:
                self._average.follow(self.agent.policy)

        graphs.do_if(is_good, move)
        return values, is_good

    def losses_and_gradients(self, batch: Transition) -> parameter_groups.Pass:
        """What a gradient step on a batch, leading shape [B], would be made from; moves nothing."""
        return parameter_groups.gradients_of(self.agent, self._groups, batch, self._step_seed(0))

    def variables_of(self, loss: str) -> list[tf.Variable]:
        """The variables that a loss trains."""
        return parameter_groups.variables_of(self._groups, loss)

    def not_finite(self) -> list[str]:
        """Names the variables with NaN or an infinity in them, targets and optimisers' included."""
        return self.status.not_finite()

    @property
    def num_bytes(self) -> int:
        """The size of all variables, and so about that of what `save` writes."""
        return sum(v.dtype.size * v.shape.num_elements() for v in self._float_variables)

    def _step_seed(self, purpose: int) -> tf.Tensor:
        seed = tf.cast(self._seed, tf.int32)
        seed = tf.random.experimental.stateless_fold_in(seed, self._steps)
        return tf.random.experimental.stateless_fold_in(seed, purpose)

    def parameters(self) -> npt.NDArray[np.float32]:
        """Returns the policy's variables as one vector, float32 [P]: what actors act with."""
        return self._joined()

    @property
    def has_average(self) -> bool:
        """Whether evaluations have other parameters than actors."""
        return self._average is not None

    def evaluation_parameters(self) -> npt.NDArray[np.float32]:
        """Returns what evaluations and exports have: `parameters`, or their average."""
        return self.parameters() if self._average is None else self._average.parameters()

    def save(self, path: str) -> str:
        """Writes agent, targets, optimisers, counters and random state to files `path`.*.

        Returns:
            `path`, for `restore`.

        Raises:
            OSError: the files cannot be written; some may be there.
        """
        return learner_checkpoint.write(self._checkpoint, path)

    def restore(self, path: str) -> None:
        """Reads what `save` wrote, from a learner of the same agent, configuration and sizes.

        Its seed gives way to the saved one. Nothing is assigned before the checkpoint is found fit.

        Args:
            path: what `save` was given.

        Raises:
            CheckpointError: files are missing, damaged, or another learner's.
        """
        learner_checkpoint.read(self._checkpoint, path, self._identity)
        self.status.forget()
        self._is_initialized = bool(self._initialized.numpy())

    def begin_with_networks(self, taken: Sequence[tf.Variable]) -> None:
        """Has the first batch initialise all but these variables of another learner's networks."""
        self._taken, self._is_initialized = taken, bool(self._initialized.assign(False))
        if self._average is not None:
            self._average.copy(self.agent.policy)

    def go_back(self, path: str) -> None:
        """Restores a checkpoint but keeps the number of steps, and does a reset that it missed.

        So no random number is used twice, and no number of steps by two sets of parameters.

        Args:
            path: see `restore`.

        Raises:
            CheckpointError: see `restore`.
        """
        steps = self.steps
        self.restore(path)
        saved = self.steps
        self._steps.assign(steps)
        self.status.forget()
        if resets.is_missed(saved, steps, self._config.reset_period):
            self._reset()
