import pytest

from quinoa.agents.protocol import ConfigError
from quinoa.agents.svg0 import PRESETS, Config


@pytest.mark.parametrize(
    "field, value",
    [
        ("target_period", -1),
        ("target_rate", 0.0),
        ("target_rate", 1.5),
        ("entropy_weight", -0.1),
        ("entropy_weight", float("inf")),
        ("entropy_weight", float("nan")),
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


def test_one_preset_keeps_to_the_papers():
    assert PRESETS["svg0"] == Config()
    paper = PRESETS["svg0_paper"]
    assert (paper.target_period, paper.learning_rate, paper.entropy_weight) == (1000, 1e-3, 0.0)
