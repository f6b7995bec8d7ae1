"""Maximum-entropy inverse reinforcement learning: `quinoa.irl`, a gradient at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from quinoa.agents.demonstration_agent import DemonstrationAgent, DemonstrationsError
from quinoa.agents.maxent_irl import config as config_
from quinoa.agents.maxent_irl import sources
from quinoa.irl import route_measures
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.exponentiated_gradient import ExponentiatedGradient, StepSizes
from quinoa.irl.gradient_steps import Optimizer, gradient_step
from quinoa.irl.lbfgs import LBFGS
from quinoa.irl.optimizers import reached_by_batches, starting_weights
from quinoa.irl.path_distribution import converges_to_all
from quinoa.irl.prediction import RouteModel
from quinoa.irl.route_files import RouteDataset
from quinoa.irl.route_graph import Array, DivergenceError, RouteGraphError

# Of held-out routes: the mean of log P(route), the share of its distance that the most likely route
# has too, and the share of routes with 90 % or more of that.
_MEASURES = ("held_out_log_likelihood", "held_out_shared", "held_out_matched")
# Among the arrays of a checkpoint.
_CONVERGING = "converging"


class Agent(DemonstrationAgent):
    """Learns the weights θ of the reward that explains demonstrated routes.

    Attributes:
        dataset: the graph and all routes.
        learned_from: the routes that it learns from.
        held_out: the others; None where there are none.
    """

    Config = config_.Config

    def __init__(self, config: config_.Config, demonstrations: str, seed: int) -> None:
        super().__init__(config, demonstrations, seed)
        try:
            self.dataset: RouteDataset = sources.load(demonstrations, seed)
            self.learned_from, self.held_out = self._split()
            self._optimizer = self._make_optimizer()
            # With batches: the weights where all routes converge, if known since the last step.
            self._converging: Array | None = None
            self.measures = () if self.held_out is None else _MEASURES
        except RouteGraphError as error:
            raise DemonstrationsError(str(error)) from error

    def _split(self) -> tuple[Demonstrations, Demonstrations | None]:
        graph, routes = self.dataset.graph, self.dataset.routes
        number = round(self.config.held_out * len(routes))
        if number == len(routes):
            raise RouteGraphError(
                f"held_out = {self.config.held_out:g} leaves none of {len(routes)} routes to learn "
                "from: give more routes, or --set held_out=0."
            )
        order = np.random.default_rng([self.seed, 0]).permutation(len(routes))
        held_out, learned_from = np.sort(order[:number]), np.sort(order[number:])
        return (
            Demonstrations(graph, [routes[index] for index in learned_from]),
            Demonstrations(graph, [routes[index] for index in held_out]) if number else None,
        )

    def _make_optimizer(self) -> Optimizer:
        config, routes = self.config, self.learned_from
        # All routes must converge at the start, and not the first batch alone: it is what weights
        # are moved towards that diverge for another batch. `starting_weights` converge for all.
        if config.initial_weight:
            start = np.full(routes.graph.num_features, config.initial_weight)
            try:
                routes.objective(start)
            except DivergenceError as error:
                raise RouteGraphError(
                    f"initial_weight = {config.initial_weight:g} cannot work. {error}"
                ) from error
        else:
            try:
                start = starting_weights(routes.graph)
            except RouteGraphError as error:
                raise RouteGraphError(
                    f"{error} Here: --set initial_weight=-1, or features that are never all 0."
                ) from error
        limits = {"regularization": config.regularization, "tolerance": config.tolerance}
        if config.optimizer == "lbfgs":
            return LBFGS(start, **limits)
        sizes = StepSizes(
            config.learning_rate,
            config.batch_size or None,
            len(routes.routes),
            int(np.random.SeedSequence([self.seed, 1]).generate_state(1)[0]),
        )
        return ExponentiatedGradient(start, sizes, **limits)

    def check_settings(self) -> None:
        """See the base class: L-BFGS has neither batches nor a step size."""
        for name in ("batch_size", "learning_rate"):
            value = getattr(self.config, name)
            if self.config.optimizer == "lbfgs" and value != getattr(config_.Config, name):
                raise DemonstrationsError(
                    f"{name} = {value!r} cannot work with optimizer = 'lbfgs', which has none: "
                    "leave it out, or --set optimizer=exponentiated_gradient."
                )

    def described(self) -> str:
        """See the base class."""
        graph = self.dataset.graph
        held_out = 0 if self.held_out is None else len(self.held_out.routes)
        ends = len(self.learned_from.destinations)
        return (
            f"{len(self.learned_from.routes)} routes to "
            f"{ends} destination{'' if ends == 1 else 's'}, and {held_out} held out, in a "
            f"graph of {graph.num_states} states, {len(graph.action_state)} actions and "
            f"{graph.num_features} features"
        )

    @property
    def is_over(self) -> bool:
        """See the base class."""
        return self._optimizer.is_over

    def gradient_step(self, before_each: Callable[[], object]) -> Mapping[str, float | None]:
        """See the base class."""
        try:
            objective = gradient_step(self._optimizer, self.learned_from, before_each=before_each)
        except RouteGraphError as error:
            raise DemonstrationsError(str(error)) from error
        self.steps += 1
        self._converging = None
        if objective is None:
            return {"log_likelihood": None, "feature_error": None, "weights_norm": None}
        if self._online is None:
            # The gradient may be of weights that were tried and not kept.
            assert self._optimizer.best is not None
            objective = self._optimizer.best.objective
        return {
            "log_likelihood": objective.log_likelihood,
            "feature_error": float(np.max(np.abs(objective.gradient))),
            "weights_norm": float(np.linalg.norm(self._reached)),
        }

    def evaluate(self, before_each: Callable[[], object]) -> Mapping[str, float | None]:
        """Table 1's measures of the held-out routes, and their mean log-likelihood."""
        self._have_all_converge(before_each)
        if self.held_out is None:
            return {}
        graph, theta = self.dataset.graph, self.weights
        value = graph.rewards(theta)[graph.edge_action] + np.log(graph.edge_probability)
        predicted = route_measures.by_costs(graph, value)
        log_probability = route_measures.max_ent_log_probability(graph, theta)

        def predict(route: Array) -> Array:
            before_each()
            return predicted(route)

        def likelihood(route: Array) -> float:
            before_each()
            return log_probability(route)

        try:
            found = route_measures.measure(
                self.held_out, self.dataset.edge_lengths, predict, likelihood
            )
        except DivergenceError:
            # To a destination that no route leads to which was learned from.
            return dict.fromkeys(_MEASURES)
        return dict(
            zip(_MEASURES, (found.log_probability, found.shared, found.matched), strict=True)
        )

    @property
    def _online(self) -> ExponentiatedGradient | None:
        """The optimiser, where it has batches."""
        optimizer = self._optimizer
        if isinstance(optimizer, ExponentiatedGradient) and optimizer.batch is not None:
            return optimizer
        return None

    def _have_all_converge(self, before_each: Callable[[], object]) -> None:
        # Learning continues from where the optimiser is, so that it does not depend on when its
        # weights are looked at.
        online = self._online
        if online is None or self._converging is not None:
            return
        if converges_to_all(self.dataset.graph, online.reached):
            self._converging = online.reached
        else:
            found, _ = reached_by_batches(online, self.learned_from, before_each=before_each)
            self._converging = found.theta

    @property
    def theta(self) -> npt.NDArray[np.float64]:
        """The weights of the features, float64 [K]."""
        return self.weights

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """See the base class: the best ones so far, or with batches the last ones.

        The latter are those of the last step, moved to where all routes learned from converge.
        """
        self._have_all_converge(lambda: None)
        found = self._reached if self._converging is None else self._converging
        return np.array(found, dtype=np.float64)

    @property
    def _reached(self) -> Array:
        """Where learning is: with batches, other routes may diverge there."""
        online, best = self._online, self._optimizer.best
        if online is not None:
            # The best ones may be those before they were moved to where this batch converges.
            return online.reached
        return self._optimizer.theta if best is None else best.theta

    def route_model(self) -> RouteModel:
        """See the base class; the prior of destinations is that of the routes learned from."""
        dataset = self.dataset
        return RouteModel(
            dataset.graph,
            self.theta,
            self.learned_from.routes,
            dataset.names,
            dataset.lengths,
            dataset.places,
        )

    def fingerprint(self) -> str:
        """See the base class."""
        return self.dataset.fingerprint()

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """See the base class."""
        state = dict(self._optimizer.state())
        if self._converging is not None:
            state[_CONVERGING] = self._converging
        return state

    def take_state(self, state: Mapping[str, npt.NDArray[Any]]) -> str | None:
        """See the base class."""
        if _CONVERGING in state:
            self._converging = np.array(state[_CONVERGING])
        if self._optimizer.restore(state):
            return None
        return (
            "another version of SciPy than before does other steps: L-BFGS begins anew from the "
            "best weights so far"
        )
