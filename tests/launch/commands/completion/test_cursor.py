from __future__ import annotations

import pytest
from absl import flags

from quinoa import environments
from quinoa.agents import registry
from quinoa.config import descriptions
from quinoa.launch import cli, presets
from quinoa.launch.commands.completion.completers import VALUES
from quinoa.launch.commands.completion.cursor import complete
from quinoa.launch.errors import ExperimentError
from quinoa.launch.storage.files import write_json
from tests.launch.written_runs import write_run

OWN = (
    '[fast]\nagent = "sac"\nenv = "control:walker:walk"\n[slow]\nagent = "iq"\nenv = "adroit:pen"\n'
)


def offered(line: str) -> list[str]:
    """What is offered at the end of a line, whose words are apart by one space."""
    *words, last = line.split(" ")
    return [each.text for each in complete(cli._COMMANDS, words, last).listed]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of a user's, who is in it."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs" / "one")
    write_run(tmp_path / "runs" / "sweep-a" / "000")
    write_json(tmp_path / "runs" / "sweep-a" / "sweep.json", {})
    write_run(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "mine.toml").write_text(OWN)
    (tmp_path / "my_agent.py").touch()
    return tmp_path


def test_commands():
    assert offered("") == list(cli._COMMANDS)
    assert offered("tr") == ["train"]
    assert offered("--") == ["--help", "--version"]
    assert offered("nothing ") == []


def test_flags_but_for_those_that_are_given():
    assert offered("train --ag") == ["--agent="]
    assert offered("train --agent=iq --ag") == []
    assert offered("train --agent iq --ag") == []
    assert "--set=" in offered("train --set=tau=1 --s")
    assert "--help" in offered("status --")
    assert offered("nothing --") == []


def test_switches_as_one_would_change_them():
    assert "--sample" in offered("evaluate --")
    assert "--nosample" not in offered("evaluate --")
    assert "--noprivate_network" in offered("train --")
    assert "--private_network" not in offered("train --")
    assert offered("evaluate --nos") == ["--nosample"]
    assert offered("train --noprivate_network --nop") == []


@pytest.mark.parametrize("flag", ["--agent=", "--agent "])
def test_agents(flag):
    before = flag if flag.endswith("=") else ""
    names = [name for name, _ in registry.names()]
    assert set(offered(f"train {flag}")) >= {before + name for name in names}
    assert offered(f"train {flag}svg") == [before + name for name in names if name[:3] == "svg"]


def test_environments():
    assert offered("train --env=") == [f"--env={name}" for name in environments.known_names()]
    assert offered("train --env=control:walker:w") == ["--env=control:walker:walk"]
    assert "gym:Pendulum-v1" in offered("train --env gym:Pen")


def test_one_after_another_of_what_a_flag_takes_several_of():
    assert offered("sweep --agent=iq,sa") == ["--agent=iq,sac"]
    assert offered("train --agent=iq,sa") == []
    assert offered("train --change=num_actors,step") == [
        "--change=num_actors,steps",
        "--change=num_actors,steps_per_call",
    ]


def test_figures_by_their_names():
    assert offered("figure iq-") == ["iq-2", "iq-3", "iq-4"]
    assert offered("figure quinoa") == ["quinoa-1", "quinoa-2"]
    assert offered("figure iq-2 --scale=") == ["--scale=small", "--scale=medium", "--scale=paper"]


def test_presets_and_those_of_ones_own(project):
    known = [f"--preset={preset.name}" for preset in presets.every()]
    assert offered("train --preset=") == known
    assert offered("train --preset=./mi") == ["--preset=./mine.toml"]
    assert offered("train --preset=mine.toml:") == [
        "--preset=mine.toml:fast",
        "--preset=mine.toml:slow",
    ]
    (project / "mine.toml").write_text("nothing")
    with pytest.raises(ExperimentError):
        offered("train --preset=mine.toml:")


@pytest.mark.parametrize(
    ("line", "agent"),
    [
        ("train", "iq"),
        ("train --agent=sac", "sac"),
        ("train --agent sac --seed 1", "sac"),
        ("train --preset=dm_control/svg0", "svg0"),
        ("train --preset=mine.toml:fast", "sac"),
        ("sweep --agent=sac,iq", "sac"),
        ("check quinoa", "quinoa"),
    ],
)
def test_settings_are_those_of_the_agent(project, line, agent):
    known = [each.name for each in descriptions.described(registry.load_config(agent).config)]
    assert offered(f"{line} --set ") == [f"{name}=" for name in known]
    assert offered(f"{line} --set=") == [f"--set={name}=" for name in known]


def test_the_settings_of_an_agent_of_ones_own_would_run_its_module(project):
    (project / "my_agent.py").write_text("raise RuntimeError\n")
    assert offered("train --agent=./my_agent.py --set ") == []
    assert offered("train --agent=./my") == ["--agent=./my_agent.py"]


def test_values_of_a_setting_where_they_are_few():
    assert offered("train --set policy=f") == ["policy=flow"]
    assert offered("train --set=target_value=") == [
        "--set=target_value=true",
        "--set=target_value=false",
    ]
    assert offered("train --set tau=") == []
    assert offered("train --set no_such=") == []


def test_what_a_sweep_goes_through_may_be_a_flag_too():
    assert offered("sweep ta") == ["tau=", "target_value=", "target_rate=", "target_entropy="]
    assert offered("sweep tau=1,2 --grid num_a") == ["num_actors="]
    assert offered("sweep pres") == []


def test_few_words(project):
    assert offered("train --engine=") == [
        "--engine=local",
        "--engine=ray",
        "--engine=serial",
    ]
    assert offered("plot --x h") == ["hours"]
    assert offered("evaluate --sample=") == ["--sample=true", "--sample=false"]
    assert offered("completion ") == ["bash", "zsh", "fish"]
    assert offered("completion zsh ") == []


def test_runs_and_the_folders_that_may_hold_some(project):
    found = ["data/", "elsewhere", "runs/", "runs/one"]
    assert offered("evaluate ") == found
    assert offered("status ") == [*found, "runs/sweep-a"]
    assert offered("evaluate runs/") == ["runs/one", "runs/sweep-a/"]
    assert offered("evaluate runs/sweep-a/") == ["runs/sweep-a/000"]
    assert offered("evaluate runs/one/") == []
    assert offered("evaluate runs/one ") == []
    assert offered("evaluate runs/none/") == []
    assert offered("plot runs/one el") == ["elsewhere"]
    assert offered("evaluate --episodes 3 el") == ["elsewhere"]
    assert offered("train --resume=runs/s") == ["--resume=runs/sweep-a/"]
    assert offered("sweep --resume=runs/s") == ["--resume=runs/sweep-a"]
    assert offered("train ") == []


def test_files_and_folders(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project))
    assert offered("evaluate runs/one --json=m") == ["--json=mine.toml", "--json=my_agent.py"]
    assert offered("train --folder=") == [
        f"--folder={name}/" for name in ("data", "elsewhere", "runs")
    ]
    assert offered("train --folder=.h") == ["--folder=.hidden/"]
    assert offered("evaluate ~/el") == ["~/elsewhere"]
    (project / "data" / "two\nlines").touch()
    (project / "data" / "with space").touch()
    assert offered("plot --out data/") == ["data/with space"]


def test_checkpoints_of_the_run_that_is_given(project):
    for name in ("000000000010", "000000000020", "other"):
        (project / "runs" / "one" / "checkpoints" / name).mkdir(parents=True)
    assert offered("evaluate runs/one --checkpoint=") == [
        "--checkpoint=000000000010",
        "--checkpoint=000000000020",
    ]
    assert offered("evaluate --checkpoint=") == []


def test_processes_of_the_run_that_is_given(project):
    logs = project / "runs" / "one" / "logs"
    logs.mkdir(exist_ok=True)
    for name in ("actor-0.log", "actor-1.log", "learner-0.log", "learner-0.error"):
        (logs / name).touch()
    assert offered("logs runs/one --node=actor-0,") == [
        f"--node=actor-0,{name}" for name in ("actor-0", "actor-1", "learner-0")
    ]
    assert offered("logs --node=") == []
    assert offered("train --attach=runs/o") == ["--attach=runs/one"]
    assert offered("stop runs/o") == ["runs/one"]


@pytest.mark.parametrize("name", cli._COMMANDS)
def test_every_flag_and_argument_of_a_command_says_what_may_follow_it(name):
    """Those too whose value nobody can guess."""
    command = cli._COMMANDS[name]
    values = command.flags()
    for flag in values:
        parser = values[flag].parser
        is_free = type(parser) is flags.ArgumentParser or isinstance(parser, flags.ListParser)
        assert not is_free or flag in VALUES, f"--{flag}"
    offered(f"{name} ")  # An argument that it does not know is an error.


def test_what_is_said_of_a_candidate_is_a_short_line():
    for line in ("", "train --", "train --agent=", "train --set ", "train --preset="):
        *words, last = line.split(" ")
        listed = complete(cli._COMMANDS, words, last).listed
        assert all(each.about.isprintable() and 0 < len(each.about) <= 100 for each in listed)
