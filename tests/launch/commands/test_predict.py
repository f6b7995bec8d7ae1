"""`quinoa predict`, of a run whose agent has done a few gradient steps in this process."""

from __future__ import annotations

import json

import numpy as np
import pytest

import quinoa as quinoa_api
from quinoa.agents import iq, registry
from quinoa.irl.prediction import predict
from quinoa.irl.route_graph import RouteGraphError
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import RunError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.of_agents import make_demonstration_agent
from quinoa.launch.experiment.saved import save
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.trained import weights
from tests.launch.helpers import MATCH


def make_run(root, demonstrations: str) -> RunFolder:
    config = registry.load_demonstration_agent("maxent_irl").Config()
    experiment = Experiment(
        agent="maxent_irl",
        agent_config=config,
        environment="",
        demonstrations=demonstrations,
        steps=10,
    )
    folder = RunFolder(root)
    folder.create()
    save(experiment, folder)
    agent = make_demonstration_agent(experiment)
    for _ in range(4):
        agent.gradient_step(lambda: None)
    learner_checkpoints.save(folder.checkpoints, agent, Counts(learner_steps=4))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs") / "roads"
    return make_run(root, "roads:4x4,routes=30,destinations=3,costs=1")


@pytest.fixture(scope="module")
def seen(run):
    """A route of the run without its end."""
    model = weights.load_route_model(run)
    return model.graph.states(model.routes[0])[:3].tolist()


def test_it_says_where_a_route_leads_and_how(quinoa, run, seen, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    out, data = tmp_path / "new" / "map.png", tmp_path / "prediction.json"
    texts = ",".join(map(str, seen))
    status, printed, err = quinoa(
        "predict", str(run.root), f"--seen={texts}", f"--json={data}", f"--out={out}", "--top=2"
    )
    assert (status, err) == (0, "")
    found = predict(weights.load_route_model(run), seen, most=2)
    read = json.loads(data.read_text(encoding="utf-8"))
    assert read == json.loads(json.dumps(found.to_json()))
    lines = printed.splitlines()
    best = found.candidates[0]
    row = next(line.split() for line in lines if line.split()[0] == str(best.state))
    assert row[1:3] == [f"{best.prior:.3f}", f"{best.posterior:.3f}"]
    rest = 1 - sum(each.posterior for each in found.candidates)
    assert f"1 more, with {rest:.3f} in all." in lines
    way = ", ".join(map(str, best.route))
    assert f"Most likely way to {best.state}: {way}" in lines
    assert lines[-2:] == [str(data), str(out)]
    assert out.read_bytes().startswith(b"\x89PNG")
    # The same from Python.
    again = quinoa_api.load(run.root).predict(seen, top=2)
    assert again.candidates == found.candidates


def test_the_most_likely_route_between_two_states(quinoa, run, seen):
    model = weights.load_route_model(run)
    end = next(iter(model.prior()))
    status, printed, err = quinoa(
        "predict", str(run.root), f"--from={seen[0]}", f"--to={end}", "--json=-"
    )
    assert status == 0 and f"Most likely way to {end}: {seen[0]}, " in err
    (only,) = json.loads(printed)["destinations"]
    assert (only["state"], only["posterior"], only["route"][0]) == (end, 1.0, seen[0])
    # To several, the prior is the same for all unless it is to be that of the routes.
    three = ",".join(map(str, model.prior()))
    for flag, prior in (((), [1 / 3] * 3), (("--prior=routes",), list(model.prior().values()))):
        _, printed, _ = quinoa(
            "predict", str(run.root), f"--from={seen[0]}", f"--to={three}", *flag, "--json=-"
        )
        assert json.loads(printed)["posterior"]["prior"] == pytest.approx(prior)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "predict needs --from=STATE, where the route begins, or --seen=STATE,STATE"),
        (("--seen=1,x",), "--seen=1,x: it must be the number of a state, or several"),
        (("--from=1", "--seen=2,3"), "--from=1 and --seen=2,3 begin in different states"),
        (("--from=9999",), "there is no state 9999, only 0 to "),
        (("--from=0", "--to=9999"), "There is no state 9999 for a destination"),
        (("--seen=0,0",), "no action leads from state 0 to state 0"),
        (("--from=0", "--to=1", "--prior=routes"), "learned from ends in state 1, so that its"),
        (("--from=0", "--checkpoint=3"), "There is no checkpoint of 3 learner steps"),
        (("--from=0", "--json=no/such/folder.json"), "give a file in a folder that exists"),
        (("--from=0", "--out=map.nothing"), "cannot be drawn: "),
    ],
)
def test_what_cannot_be_predicted_is_one_line(quinoa, run, flags, message):
    status, _, err = quinoa("predict", str(run.root), *flags)
    assert status == 2 and message in err and err.count("\n") == 1


def test_a_run_of_a_policy_predicts_no_route(quinoa, tmp_path):
    config = iq.PRESETS["iq"]
    folder = RunFolder(tmp_path / "run")
    folder.create()
    save(Experiment(agent="iq", agent_config=config, environment=MATCH, steps=10), folder)
    status, _, err = quinoa("predict", str(tmp_path / "run"), "--from=0")
    assert status == 2 and "which has learned a policy and not weights of features" in err
    with pytest.raises(RunError, match="has learned a policy"):
        quinoa_api.load(tmp_path / "run").predict([0])


def test_states_without_places_are_not_drawn(quinoa, tmp_path):
    folder = make_run(tmp_path / "run", "toy:FrozenLake-v1,routes=10")
    status, _, err = quinoa("predict", str(folder.root), "--from=0", f"--out={tmp_path / 'm.png'}")
    assert status == 2 and "have no places on a map" in err
    found = quinoa_api.load(folder.root).predict([0])
    assert [each.state for each in found.candidates] == [15]
    assert np.isfinite(found.posteriors).all()
    with pytest.raises(RouteGraphError, match="there is no state 16"):
        quinoa_api.load(folder.root).predict([16])
