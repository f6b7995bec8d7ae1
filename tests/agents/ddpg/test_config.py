import pytest

from quinoa.agents.ddpg import PRESETS, Config
from quinoa.agents.exploration import OrnsteinUhlenbeck
from quinoa.agents.protocol import ConfigError


@pytest.mark.parametrize(
    "field, value",
    [
        ("target_rate", 0.0),
        ("target_period", -1),
        ("hidden_sizes", (256, 0)),
        ("learning_rate", 0.0),
        ("actor_learning_rate", float("nan")),
        ("noise_theta", 0.0),
        ("noise_theta", 1.5),
        ("noise_sigma", -0.1),
        ("discount", 2.0),  # Of every agent.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_one_preset_keeps_to_section_7():
    assert PRESETS["ddpg"] == Config()
    paper = PRESETS["ddpg_paper"]
    assert (paper.learning_rate, paper.actor_learning_rate, paper.target_rate) == (1e-3, 1e-4, 1e-3)
    assert (paper.hidden_sizes, paper.batch_size) == ((400, 300), 64)
    assert (paper.discount, paper.max_replay_size) == (0.99, 1_000_000)
    assert paper.samples_per_insert == paper.batch_size
    assert paper.exploration() == OrnsteinUhlenbeck(0.15, 0.2)
