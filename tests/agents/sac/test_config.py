import pytest

from quinoa.agents.protocol import ConfigError
from quinoa.agents.sac import PRESETS, Config


@pytest.mark.parametrize(
    "field, value",
    [
        ("alpha", 0.0),
        ("alpha", float("inf")),
        ("target_entropy", 0.7),
        ("target_entropy", float("-inf")),
        ("target_entropy", float("nan")),
        ("target_rate", 0.0),
        ("target_rate", 1.5),
        ("hidden_sizes", (256, 0)),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("discount", 2.0),  # Of every agent.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_defaults_are_the_paper_s():
    assert PRESETS["sac"] == Config()
    config = Config()
    assert (config.discount, config.batch_size, config.learning_rate) == (0.99, 256, 3e-4)
    assert (config.target_rate, config.target_entropy) == (0.005, -1.0)
    assert config.hidden_sizes == (256, 256)
    # One gradient step for each environment step.
    assert config.samples_per_insert == config.batch_size
