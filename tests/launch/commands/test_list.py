from quinoa.agents import registry
from quinoa.config import descriptions
from quinoa.launch import cli, presets
from quinoa.launch.commands import list as list_
from tests.launch.terminals import Terminal


def test_the_settings_of_an_agent_are_shown_within_the_terminal(quinoa, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    status, out, err = quinoa("list", "m_iq")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 60
    text = " ".join(out.split())
    for setting in descriptions.described(registry.load_config("m_iq").config):
        assert any(line.startswith(f"  {setting.name}=") for line in lines)
        assert setting.about in text
        assert setting.bounds in text
    assert "  alpha=0.9 (default 0.0)  float, in [0, 1)" in lines
    assert "  batch_size=256  int, at least 1" in lines


def test_so_are_those_of_a_preset(quinoa):
    preset = presets.load("dm_control/m_iq")
    _, out, _ = quinoa("list", preset.name)
    assert f"  --env={preset.flags['env']}" in out.splitlines()
    assert "  tau=0.03 (default 0.01)  float, > 0" in out.splitlines()


def test_so_are_those_of_an_agent_and_a_preset_of_ones_own(quinoa, tmp_path, monkeypatch):
    (tmp_path / "own_listed.py").write_text(
        '"""An agent of one\'s own."""\n'
        "import dataclasses\n"
        "from quinoa.agents.config import OffPolicyConfig\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Config(OffPolicyConfig):\n"
        "    noise: float = 0.5\n"
        '    """How much is explored."""\n'
        "PRESETS = {'quiet': Config(noise=0.1), 'loud': Config(noise=0.9)}\n"
        "ABOUT = {'quiet': 'The same with little noise'}\n"
    )
    (tmp_path / "mine.toml").write_text(
        '[calm]\nagent = "own_listed"\nenv = "control:walker:walk"\nset.noise = 0.2\n'
        "env_set.flat = true\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    status, out, _ = quinoa("list", "own_listed:quiet")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "own_listed:quiet: The same with little noise"
    assert lines[2:5] == [
        "own_listed.Config:",
        "  noise=0.1 (default 0.5)  float",
        "      How much is explored.",
    ]
    _, out, _ = quinoa("list", "own_listed:loud")
    assert out.splitlines()[0] == "own_listed:loud: An agent of one's own"
    _, out, _ = quinoa("list", "./mine.toml")
    assert {"  noise=0.2 (default 0.5)  float", "  --env_set=flat=true"} <= set(out.splitlines())


def test_the_names_are_broken_between_words_in_a_terminal_and_whole_elsewhere(quinoa, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    _, whole, _ = quinoa("list")
    assert max(map(len, whole.splitlines())) > 100
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert cli.main(["list"]) == 0
    assert max(map(len, terminal.getvalue().splitlines())) <= 60
    assert terminal.getvalue().split() == whole.split()


def test_no_heading_is_cut_within_a_name(quinoa, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    headings = set()
    for name, _ in registry.names():
        lines = quinoa("list", name)[1].splitlines()
        headings |= {line for line in lines if line[:1].strip() and line.endswith(":")}
    assert "Settings of agents that learn from replay (off-policy):" in headings
    for heading in headings:
        assert heading.count("`") % 2 == 0, heading


def test_a_point_within_a_name_ends_no_sentence():
    class Config:
        """Settings of a `quinoa.agents.learner.Learner`; the rest is left out."""

    assert list_._about(Config) == "Settings of a `quinoa.agents.learner.Learner`:"
