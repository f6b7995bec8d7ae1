"""The flow that an agent's settings describe."""

from __future__ import annotations

from quinoa.agents.policies.config import FlowConfig
from quinoa.agents.policies.couplings import Additive, Affine, Couplings, PiecewiseLinear
from quinoa.agents.policies.flow import FlowPolicy
from quinoa.agents.policies.gaussian_flow import GaussianFlowPolicy, LogStddev


def make_flow_policy(
    config: FlowConfig, observation_size: int, action_size: int
) -> FlowPolicy | GaussianFlowPolicy:
    """Makes the policy that a configuration describes.

    Args:
        config: the settings; with additive couplings the base is a Gaussian, else uniform.
        observation_size: O, of observations [B, O].
        action_size: A, of actions [B, A].
    """
    if config.coupling == "additive":
        return GaussianFlowPolicy(
            observation_size,
            action_size,
            couplings=Additive(max_shift=config.max_shift),
            num_couplings=config.num_couplings,
            hidden_sizes=config.coupling_hidden_sizes,
            layer_norm=True,
            log_stddev=LogStddev(
                observation_size,
                action_size,
                hidden_sizes=config.coupling_hidden_sizes,
                bounds=(config.min_log_stddev, config.max_log_stddev),
            ),
        )
    return FlowPolicy(
        observation_size,
        action_size,
        couplings=_couplings(config),
        num_couplings=config.num_couplings,
        hidden_sizes=config.coupling_hidden_sizes,
        deterministic_action=config.deterministic_action,
    )


def _couplings(config: FlowConfig) -> Couplings:
    if config.coupling == "affine":
        return Affine(max_log_scale=config.max_log_scale, max_shift=config.max_shift)
    if config.coupling == "bounded_affine":
        return Affine.bounded(
            num_couplings=config.num_couplings,
            max_log_scale=config.max_log_scale,
            max_shift=config.max_shift,
        )
    return PiecewiseLinear(num_bins=config.num_bins)
