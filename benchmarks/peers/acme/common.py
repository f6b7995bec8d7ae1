"""What both Acme benchmarks use: the task and the networks, as Acme's control examples build them.

Run by the interpreter of `.venv-acme` (scripts/peers.sh makes it), which has neither our code nor
our libraries. dm_control and MuJoCo are at our own versions, so that the physics is the same code.
"""

from collections.abc import Sequence
from typing import Any

import dm_env
import numpy as np
import sonnet as snt
from acme import wrappers
from acme.tf import networks
from dm_control import suite

LAYERS = (256, 256)


def make_environment(task: str) -> dm_env.Environment:
    """Returns the dm_control task `domain:name`, with one flat float32 observation."""
    domain, name = task.split(":")
    environment = suite.load(domain, name)
    return wrappers.SinglePrecisionWrapper(wrappers.ConcatObservationWrapper(environment))


def make_networks(action_spec: Any, layers: Sequence[int] = LAYERS) -> dict[str, snt.Module]:
    """Returns D4PG's policy and critic: Acme's own choices, save for the layers' sizes."""
    size = int(np.prod(action_spec.shape))
    policy = snt.Sequential(
        [
            networks.LayerNormMLP(layers, activate_final=True),
            networks.NearZeroInitializedLinear(size),
            networks.TanhToSpec(action_spec),
        ]
    )
    critic = snt.Sequential(
        [
            networks.CriticMultiplexer(),
            networks.LayerNormMLP(layers, activate_final=True),
            networks.DiscreteValuedHead(vmin=-150.0, vmax=150.0, num_atoms=51),
        ]
    )
    return {"policy": policy, "critic": critic}
