import pytest

from quinoa.agents.naf import PRESETS, Config
from quinoa.agents.protocol import ConfigError


@pytest.mark.parametrize(
    "field, value",
    [
        ("target_rate", 0.0),
        ("target_rate", 1.5),
        ("hidden_sizes", (200, 0)),
        ("learning_rate", 0.0),
        ("noise_theta", 1.5),
        ("noise_sigma", -0.1),
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


def test_its_layers_are_the_papers():
    assert {"naf": Config()} == PRESETS
    assert Config().hidden_sizes == (200, 200)
