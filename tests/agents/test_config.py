import subprocess
import sys

from quinoa.agents import registry


def test_configurations_are_there_without_what_takes_long_to_import():
    program = (
        "import sys; from quinoa.agents import registry\n"
        "assert all(registry.load_config(name).config for name, _ in registry.names())\n"
        "heavy = {'tensorflow', 'tensorflow_probability', 'sonnet', 'acme', 'reverb'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_load_config_is_what_load_has():
    for name, about in registry.names():
        config, agent = registry.load_config(name), registry.load(name)
        assert (config.name, config.config_class, config.config) == (
            agent.name,
            agent.config_class,
            agent.config,
        )
        assert about.startswith(config.about)
