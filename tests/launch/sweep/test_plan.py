from __future__ import annotations

import pytest

from quinoa.launch.errors import ExperimentError
from quinoa.launch.sweep.plan import plan

FLAGS = ("steps", "num_actors", "set")


def make(combinations=({},), *, agents=("a",), environments=("e",), seeds=(0,), given=()):
    return plan(agents, environments, combinations, seeds, flags=FLAGS, given=given, steps="100")


def test_plans_every_agent_environment_combination_and_seed():
    runs = make(
        [{"tau": "1"}, {"tau": "2"}], agents=["a", "b"], environments=["x:1", "y:2"], seeds=[3, 4]
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
