import pytest

from quinoa.agents.meow import PRESETS, Config
from quinoa.agents.protocol import ConfigError


@pytest.mark.parametrize(
    "field, value",
    [
        ("alpha", 0.0),
        ("target_rate", 0.0),
        ("num_couplings", 0),
        ("coupling_hidden_sizes", (64, 0)),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("max_shift", 0.0),
        ("min_log_stddev", -0.3),  # Not below max_log_stddev.
        ("max_log_stddev", 3.0),
        ("hidden_sizes", (0,)),
        ("learning_rate", float("nan")),
        ("discount", 2.0),  # Of every agent.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_defaults_are_those_of_the_authors_code_where_they_are_said_to_be():
    config = PRESETS["meow"]
    assert config == Config()
    assert (config.discount, config.batch_size, config.learning_rate) == (0.99, 256, 1e-3)
    assert (config.target_rate, config.max_gradient_norm, config.dropout) == (0.005, 30.0, 0.1)
    # Two layers of their flow are two pairs of couplings.
    assert (config.num_couplings, config.coupling_hidden_sizes) == (4, (64, 64))
    assert (config.min_log_stddev, config.max_log_stddev) == (-5.0, -0.3)
    assert (config.hidden_sizes, config.stddev_hidden_sizes) == ((256, 256), (64, 64))
    assert (config.max_replay_size, config.min_replay_size) == (1_000_000, 5_000)
    # One gradient step for each environment step.
    assert config.samples_per_insert == config.batch_size
