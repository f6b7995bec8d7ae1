import pytest

from quinoa.agents.a2c import PRESETS, Config
from quinoa.agents.protocol import ConfigError


@pytest.mark.parametrize(
    "field, value",
    [
        ("update", "q"),
        ("returns", "naive"),
        ("tau", -0.1),
        ("tau", float("inf")),
        ("value_coefficient", 0.0),
        ("gae_lambda", 1.1),
        ("gae_lambda", -0.1),
        ("hidden_sizes", (64, 0)),
        ("optimizer", "sgd"),
        ("learning_rate", 0.0),
        ("segment_length", 0),
        ("max_gradient_norm", -1.0),
        ("discount", 2.0),  # Of every agent.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_soft_q_learning_is_of_soft_returns_and_of_a_temperature():
    with pytest.raises(ConfigError, match=r"returns = 'standard' .* 'entropy' or 'kl' with update"):
        Config(update="soft_q")
    with pytest.raises(ConfigError, match=r"tau = 0.0 .* above 0 with update = 'soft_q'"):
        Config(update="soft_q", returns="kl", tau=0.0)
    assert Config(tau=0.0).tau == 0.0
    assert Config(update="soft_q", returns="kl").returns == "kl"


def test_a_batch_is_five_steps_of_sixteen_environments():
    for config in PRESETS.values():
        assert config.batch_shape == (16, 5)
        assert config.segments_per_environment(16) == 1
        assert config.segments_per_environment(8) == 2


def test_presets_differ_in_the_update_and_the_returns_alone():
    assert {name: (of.update, of.returns) for name, of in PRESETS.items()} == {
        "a2c": ("policy_gradient", "standard"),
        "a2c_proper": ("policy_gradient", "entropy"),
        "soft_q_a2c": ("soft_q", "entropy"),
    }
    # Those of the paper's sections 6.1 and 6.3.
    assert {(of.tau, of.value_coefficient) for of in PRESETS.values()} == {(0.01, 0.5)}
