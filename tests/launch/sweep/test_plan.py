from __future__ import annotations

import pytest

from quinoa.launch.errors import ExperimentError
from quinoa.launch.sweep.plan import plan

FLAGS = ("steps", "num_actors", "demonstrations", "set")


def make(combinations=({},), *, agents=("a",), tasks=({"env": "e"},), seeds=(0,), given=()):
    steps = dict.fromkeys(agents, "100")
    return plan(steps, tasks, combinations, seeds, flags=FLAGS, given=given)


def test_plans_every_agent_environment_combination_and_seed():
    runs = make(
        [{"tau": "1"}, {"tau": "2"}],
        agents=["a", "b"],
        tasks=[{"env": "x:1"}, {"env": "y:2"}],
        seeds=[3, 4],
    )
    assert len(runs) == len({run.name for run in runs}) == 16
    assert runs[0].name == "000-a-x_1-tau=1-s3"
    assert runs[-1].settings == {"agent": "b", "env": "y:2", "tau": "2"}
    assert runs[-1].arguments == ("--agent=b", "--env=y:2", "--seed=4", "--set=tau=2")


def test_flags_are_given_as_flags_and_fields_as_settings():
    (run,) = make([{"num_actors": "3", "tau": "1"}], given=["--set=alpha=0", "--steps=7"])
    assert run.arguments[3:] == ("--set=alpha=0", "--steps=7", "--num_actors=3", "--set=tau=1")
    assert run.steps == 100
    assert make([{"steps": "1e3"}])[0].steps == 1000


def test_demonstrations_stand_in_the_place_of_an_environment():
    (run,) = make(tasks=[{"demonstrations": "a"}])
    assert run.settings == {"agent": "a", "demonstrations": "a"}
    assert run.arguments == ("--agent=a", "--demonstrations=a", "--seed=0")
    assert (run.task, run.unit) == ("demonstrations", "learner_steps")
    first, second = make([{"demonstrations": "b,c=1"}, {"demonstrations": "d"}], tasks=[{}])
    assert first.arguments[-1] == "--demonstrations=b,c=1"
    assert second.settings["demonstrations"] == "d"
    # Beside an environment they are a setting as others are.
    (run,) = make([{"demonstrations": "a"}])
    assert (run.task, run.unit) == ("env", "actor_steps")
    with pytest.raises(ExperimentError, match="demonstrations is given both"):
        make([{"demonstrations": "b"}], tasks=[{"demonstrations": "a"}])


def test_each_agent_has_its_number_of_steps():
    runs = plan({"a": "10", "b": "20"}, [{"env": "e"}], [{}], [0], flags=FLAGS, given=())
    assert [run.steps for run in runs] == [10, 20]


def test_names_are_names_of_folders():
    (run,) = make([{"tau": "../" + "x" * 300}])
    assert "/" not in run.name
    assert len(run.name) < 200


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("seed", "give --seeds"),
        ("agent", "give --agent"),
        ("resume", "resume is no setting"),
        ("preset", "preset is no setting"),
        ("alpha", "alpha is given both"),
        ("steps", "steps is given both"),
    ],
)
def test_what_cannot_be_gone_through_is_an_error(name, message):
    with pytest.raises(ExperimentError, match=message):
        make([{name: "1"}], given=["--set=alpha=0", "--steps=7"])
