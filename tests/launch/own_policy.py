"""An agent whose policy is of a class of its own, of which one makes a wrong NumPy form."""

from __future__ import annotations

import numpy as np

from quinoa.agents import iq
from quinoa.agents.policies import MultiCategoricalPolicy
from quinoa.agents.protocol import check_spec

Config = iq.Config
PRESETS = {"wrong": Config(tau=0.02)}


class Own(MultiCategoricalPolicy):
    """The same but for its name: a class that derives may do something else."""


class Wrong(MultiCategoricalPolicy):
    def numpy_form(self) -> dict[str, np.ndarray]:
        form = super().numpy_form()
        return {**form, "network.0.b": form["network.0.b"] + 1.0}


class Agent(iq.Agent):
    @staticmethod
    def make_policy(config, spec):
        check_spec(spec)
        kind = Wrong if config.tau == PRESETS["wrong"].tau else Own
        return kind(
            spec.observations.shape[0],
            spec.actions.shape[0],
            hidden_sizes=config.hidden_sizes,
            num_bins=config.num_bins,
        )
