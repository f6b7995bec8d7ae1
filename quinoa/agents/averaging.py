"""An average of a policy's parameters over gradient steps, which is evaluated in its place."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import sonnet as snt
import tensorflow as tf

from quinoa.agents import parameter_vector, targets
from quinoa.agents.policy import Policy


class Average(snt.Module):
    """The exponential moving average of a policy's variables, without a bias to its beginning.

    With the rate 1 − β, after t steps it is

        θ̂_t = (1 − β) Σ_{i ≤ t} β^{t−i} θ_i / (1 − β^t)

    (Kingma & Ba, 2015, "Adam", section 7.2), computed as θ̂_t = θ̂_{t−1} + w_t (θ_t − θ̂_{t−1}) with
    w_t = (1 − β) / (1 − β^t). So it is θ_1 after the first step, and after many it covers about the
    last 1 / (1 − β). Variables of the policy that are not trained are averaged too: statistics that
    a network normalises by belong to its weights. Those of a schedule are as they are now.
    """

    def __init__(self, policy: Policy, rate: float, name: str = "average"):
        """Starts as the policy's parameters.

        Args:
            policy: whose variables are float32.
            rate: 1 − β, in (0, 1).
            name: the module's name.
        """
        super().__init__(name=name)
        self._rate = rate
        self._averages = [
            tf.Variable(variable, trainable=False, name=f"average_{index}")
            for index, variable in enumerate(policy.variables)
        ]
        self._count = tf.Variable(0.0, trainable=False, name="count")

    def follow(self, policy: Policy) -> None:
        """Takes in the policy's parameters after another step."""
        self._count.assign_add(1.0)
        # 1 − β^t, without the rounding of β near 1.
        weight = self._rate / -tf.math.expm1(self._count * math.log1p(-self._rate))
        targets.smooth(policy.variables, self._averages, weight)
        # What lies between two of their values may be none, as of the size of a set.
        scheduled = {variable.ref() for variable in policy.scheduled()}
        indices = [i for i, variable in enumerate(policy.variables) if variable.ref() in scheduled]
        targets.copy(
            [policy.variables[index] for index in indices],
            [self._averages[index] for index in indices],
        )

    def copy(self, policy: Policy) -> None:
        """Takes the policy's parameters for its own, as it does when it is made; counts no step."""
        targets.copy(policy.variables, self._averages)

    def restart(self) -> None:
        """Forgets all steps so far; `parameters` stay as they are until the next one."""
        self._count.assign(0.0)

    def parameters(self) -> npt.NDArray[np.float32]:
        """The average as one vector, float32 [P], in the order of the policy's."""
        return parameter_vector.joined(self._averages)
