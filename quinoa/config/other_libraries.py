"""What settings and flags are called that have another name in other libraries.

docs/coming_from.md says the same with more words; `tests/docs/test_coming_from.py` compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

# By the name in Stable-Baselines3, CleanRL or RLlib: the settings of agents that it may be, of
# which the first is meant that an agent has.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "tau": ("target_rate",),
    "gamma": ("discount",),
    "buffer_size": ("max_replay_size",),
    "learning_starts": ("min_replay_size",),
    "train_freq": ("samples_per_insert",),
    "train_frequency": ("samples_per_insert",),
    "gradient_steps": ("samples_per_insert",),
    "ent_coef": ("tau", "alpha"),
    "autotune": ("adaptive_temperature",),
    "action_noise": ("noise_sigma",),
    "net_arch": ("hidden_sizes",),
    "max_grad_norm": ("max_gradient_norm",),
    "vf_coef": ("value_coefficient",),
    "n_steps": ("n_step", "segment_length"),
    "num_steps": ("segment_length",),
    "exploration_initial_eps": ("epsilon_start",),
    "exploration_final_eps": ("epsilon_end",),
    "exploration_fraction": ("epsilon_steps",),
    "start_e": ("epsilon_start",),
    "end_e": ("epsilon_end",),
    "target_update_interval": ("target_period",),
    "target_network_frequency": ("target_period",),
    "anneal_lr": ("learning_rate_schedule",),
    "policy_lr": ("actor_learning_rate", "learning_rate"),
    "q_lr": ("learning_rate",),
    "norm_obs": ("normalize_observations",),
    "norm_reward": ("scale_rewards",),
    "clip_obs": ("observation_clip",),
    "lr": ("learning_rate",),
    "train_batch_size": ("batch_size",),
    "rollout_fragment_length": ("segment_length",),
}

# The same of the flags of `quinoa train`, Acme's names too.
FLAGS: Mapping[str, str] = {
    "total_timesteps": "steps",
    "env_id": "env",
    "n_envs": "environments_per_actor",
    "num_envs": "environments_per_actor",
    "eval_freq": "evaluation_period",
    "n_eval_episodes": "evaluation_episodes",
    "save_freq": "checkpoint_period",
    "track": "wandb",
    "wandb_project_name": "wandb",
    "num_env_runners": "num_actors",
    "num_envs_per_env_runner": "environments_per_actor",
    "num_sgd_steps_per_step": "steps_per_call",
}

_PAGE = "docs/coming_from.md"


def setting(name: str, known: Collection[str]) -> str | None:
    """The setting that another library calls `name`.

    Args:
        name: as typed, its words separated by - or _.
        known: the settings that there are.

    Returns:
        Its name here; None if it is not among `known`, or is no name of another library.
    """
    found = SETTINGS.get(_plain(name), ())
    return next((here for here in found if here in known), None)


def flag(name: str, known: Collection[str]) -> str | None:
    """The same of a flag of `quinoa train`, or option of `quinoa.train`."""
    here = FLAGS.get(_plain(name))
    return here if here in known else None


def sentence(name: str, here: str) -> str:
    """Says what another library's name is here, after a space."""
    return f" What other libraries call {name} is {here} ({_PAGE})."


def _plain(name: str) -> str:
    return name.replace("-", "_")
