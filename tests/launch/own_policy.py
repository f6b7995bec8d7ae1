"""An agent whose policy is of a class of its own, of which one makes a wrong NumPy form."""

from __future__ import annotations

from quinoa.agents import iq
from quinoa.agents.policies import MultiCategoricalPolicy
from quinoa.agents.protocol import NumpyForm, check_spec

Config = iq.Config
PRESETS = {"wrong": Config(tau=0.02)}


class Own(MultiCategoricalPolicy):
    """The same but for its name: a class that derives may do something else."""


class Wrong(MultiCategoricalPolicy):
    def numpy_form(self) -> NumpyForm:
        form = super().numpy_form()
        first, *others = form.layers["network"]
        # As if it were weight-normalised.
        wrong = first._replace(lengths=first.biases)
        return form._replace(layers={"network": [wrong, *others]})


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
