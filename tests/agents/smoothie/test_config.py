import pytest

from quinoa.agents.protocol import ConfigError
from quinoa.agents.smoothie import PRESETS, Config


@pytest.mark.parametrize(
    "field, value",
    [
        ("kl_weight", -0.1),
        ("critic", "three_networks"),
        ("num_samples", 0),
        ("max_importance_weight", -1.0),
        ("target_rate", 0.0),
        ("initial_stddev", 2.0),
        ("initial_stddev", 0.01),
        ("activation", "relu"),
        ("learning_rate", 0.0),
        ("actor_learning_rate", 0.0),
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_weights_are_of_phantom_actions():
    with pytest.raises(ConfigError, match="0 with critic = 'two_networks'"):
        Config(critic="two_networks", max_importance_weight=3.0)


def test_a_weight_needs_actions_whose_density_is_the_policys():
    with pytest.raises(ConfigError, match=r"action_noise = 'pink' .* 'white' with max_importance"):
        Config(action_noise="pink", max_importance_weight=3.0)
    assert Config(action_noise="pink").sampling() == "pink"


def test_one_preset_has_no_penalty():
    assert PRESETS["smoothie"] == Config()
    assert PRESETS["smoothie_without_kl"] == Config(kl_weight=0.0)
