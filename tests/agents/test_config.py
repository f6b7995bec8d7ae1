import subprocess
import sys

import pytest

from quinoa.agents import registry
from quinoa.agents.config import OffPolicyConfig, OnPolicyConfig
from quinoa.config.fields import ConfigError
from tests.launch.helpers import FromDemonstrations


def test_configurations_are_there_without_what_takes_long_to_import():
    program = (
        "import sys; from quinoa.agents import registry\n"
        "assert all(registry.load_config(name).config for name, _ in registry.names())\n"
        "heavy = {'tensorflow', 'tensorflow_probability', 'sonnet', 'acme', 'reverb'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_load_config_is_what_load_has():
    about = dict(registry.names())
    for name in registry.acting_names():
        config, agent = registry.load_config(name), registry.load(name)
        assert (config.name, config.config_class, config.config) == (
            agent.name,
            agent.config_class,
            agent.config,
        )
        assert about[name].startswith(config.about)


def test_the_gradient_steps_of_a_run():
    config = OffPolicyConfig(batch_size=100, samples_per_insert=50.0, min_replay_size=2000)
    assert config.gradient_steps(12_000) == 5_000
    # Never none, as schedules divide by it.
    assert config.gradient_steps(2_000) == 1
    assert OffPolicyConfig(samples_per_insert=0.0).gradient_steps(12_000) is None
    assert OnPolicyConfig(batch_size=64, segment_length=16).gradient_steps(1_000) == 15
    assert FromDemonstrations().gradient_steps(1_000) == 1_000


def test_resets_are_refused_where_there_is_no_replay():
    assert OffPolicyConfig(reset_period=100).reset_period == 100
    with pytest.raises(ConfigError, match=r"^reset_period = 100 cannot work: .*on-policy"):
        OnPolicyConfig(reset_period=100)
