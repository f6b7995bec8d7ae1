import pytest

from quinoa.agents.dqn import PRESETS, Config
from quinoa.agents.protocol import ConfigError


@pytest.mark.parametrize(
    "field, value",
    [
        ("backup", "hard"),
        ("tau", 0.0),
        ("tau", float("inf")),
        ("huber_delta", -1.0),
        ("target_period", 0),
        ("epsilon_start", 1.1),
        ("epsilon_start", 0.0),
        ("epsilon_end", 0.0),
        ("epsilon_steps", 0),
        ("hidden_sizes", (128, 0)),
        ("optimizer", "sgd"),
        ("learning_rate", 0.0),
        ("discount", 2.0),  # Of every agent.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_epsilon_cannot_grow():
    with pytest.raises(ConfigError, match=r"epsilon_end = 0.5 .* at most epsilon_start.* is 0.1"):
        Config(epsilon_start=0.1, epsilon_end=0.5)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Config(backup="kl", n_step=5), True),
        (Config(backup="entropy", n_step=2), True),
        (Config(backup="kl"), False),
        (Config(n_step=5), False),
    ],
)
def test_soft_targets_of_n_steps_need_the_states_between(config, expected):
    assert config.has_states_between == expected


def test_presets_are_the_paper_s_three_backups():
    backups = {name: config.backup for name, config in PRESETS.items()}
    assert backups == {"dqn": "standard", "soft_dqn_kl": "kl", "soft_dqn_entropy": "entropy"}
    # One gradient step for each environment step.
    assert all(config.samples_per_insert == config.batch_size for config in PRESETS.values())
    assert all(config.tau == 0.1 for config in PRESETS.values())
