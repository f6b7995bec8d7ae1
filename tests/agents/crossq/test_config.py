import pytest

from quinoa.agents.crossq import PRESETS, Config
from quinoa.agents.protocol import ConfigError


@pytest.mark.parametrize(
    "field, value",
    [
        ("alpha", 0.0),
        ("target_entropy", 0.7),
        ("critic_hidden_sizes", (256, 0)),
        ("hidden_sizes", (0,)),
        ("statistics_rate", 0.0),
        ("statistics_rate", 1.5),
        ("renorm_warm_up", -1),
        ("learning_rate", float("nan")),
        ("beta_1", 1.0),
        ("beta_1", -0.1),
        ("policy_period", 0),
        ("discount", 2.0),  # Of every agent.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_defaults_are_the_paper_s_and_its_code_s():
    assert PRESETS["crossq"] == Config()
    config = Config()
    assert (config.discount, config.batch_size, config.learning_rate) == (0.99, 256, 1e-3)
    assert (config.beta_1, config.policy_period, config.target_entropy) == (0.5, 3, -1.0)
    assert (config.critic_hidden_sizes, config.hidden_sizes) == ((2048, 2048), (256, 256))
    assert 1.0 - config.statistics_rate == 0.99
    assert (config.renorm_warm_up, config.min_replay_size, config.alpha) == (100_000, 5_000, 1.0)
    # One gradient step for each environment step.
    assert config.samples_per_insert == config.batch_size
