import pytest

from quinoa.agents.exploration import OrnsteinUhlenbeck
from quinoa.agents.protocol import ConfigError
from quinoa.agents.sql import PRESETS, Config


@pytest.mark.parametrize(
    "field, value",
    [
        ("alpha", 0.0),
        ("final_alpha", -1.0),
        ("alpha_steps", 0),
        ("noise_set_size", -1),
        ("num_particles", 1),
        ("num_value_samples", 0),
        ("uniform_steps", -1),
        ("target_period", 0),
        ("learning_rate", 0.0),
        ("sampler_learning_rate", 0.0),
        ("noise_sigma", -0.1),  # Of its base, with another default.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_the_defaults_are_those_of_appendix_d():
    config = PRESETS["sql"]
    assert config == Config()
    assert (config.learning_rate, config.sampler_learning_rate) == (1e-3, 1e-4)
    assert (config.max_replay_size, config.min_replay_size) == (1_000_000, 10_000)
    assert config.batch_size == config.samples_per_insert == 64
    assert (config.hidden_sizes, config.target_period) == ((200, 200), 1000)
    assert (config.num_particles, config.num_value_samples, config.alpha) == (32, 50, 0.1)
    assert config.exploration() == OrnsteinUhlenbeck(0.15, 0.3)
    assert PRESETS["sql_map"] == Config(map_policy=True)
