"""What `train` makes of how an engine ended, with engines that end at once."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Callable

import pytest

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.launch import checkpoints, cli, engines, plotting
from quinoa.launch.counter import ACTOR_STEPS
from quinoa.launch.engines import signals
from quinoa.launch.engines.base import Outcome, RunResult
from quinoa.launch.files import read_json
from quinoa.launch.metrics import MetricsLog
from quinoa.launch.run_folder import RunFolder
from quinoa.launch.train import train
from tests.launch.helpers import MATCH, experiment, train_command

FINISHED = RunResult(Outcome.FINISHED)
FAILED = RunResult(Outcome.FAILED, "actor-0", "NodeError: the node's own")


@dataclasses.dataclass
class Engine:
    """Leaves a checkpoint and a row of one role; ends as it is told to."""

    result: RunResult
    role: str = "actor"
    replay_form: str = "rows"
    is_one_process: bool = True
    after: Callable[[RunFolder], None] = lambda folder: None

    def check(self, of):
        pass

    def run(self, of, folder, on_status):
        with signals.caught():
            learner = Learner(registry.load(of.agent).agent_class, of.config, of.spec(), seed=0)
            checkpoints.save(folder.checkpoints, learner, {ACTOR_STEPS: 10})
            log = MetricsLog(folder)
            counts = {"actor_steps": 1, "learner_steps": 1}
            log.write(self.role, {"wall_time": 0.0, **counts, "episode_return": 2.0})
            log.close()
        self.after(folder)
        return self.result


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "run")
    made.create()
    return made


def interrupt(folder: RunFolder) -> None:
    signal.raise_signal(signal.SIGINT)


def damage(folder: RunFolder) -> None:
    folder.metrics("actor").write_text("nonsense\n1\n")


def block_result(folder: RunFolder) -> None:
    folder.result.mkdir()


def run_command(monkeypatch, capsys, root, engine, environment=MATCH) -> tuple[int, str, str]:
    monkeypatch.setattr(engines, "make", lambda name, settings: engine)
    # What the command does to the variables and flags of its process is tested elsewhere.
    monkeypatch.setattr("quinoa.launch.process_environment.set_for_this_process", dict)
    status = cli.main(train_command(root, environment=environment)[3:])
    return status, *capsys.readouterr()


def test_a_signal_between_run_and_evaluation_skips_the_evaluation(folder):
    before = signal.getsignal(signal.SIGINT)
    summary = train(experiment(), folder, Engine(FINISHED, after=interrupt))
    assert summary.result.outcome is Outcome.FINISHED
    assert (summary.final, summary.evaluation_error) == (None, None)
    assert summary.learning_curve == folder.learning_curve
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_while_plotting_is_not_the_end(folder, monkeypatch):
    draw = plotting.plot_run

    def interrupted(*arguments):
        interrupt(folder)
        return draw(*arguments)

    monkeypatch.setattr(plotting, "plot_run", interrupted)
    summary = train(experiment(), folder, Engine(FINISHED))
    assert summary.final is not None
    assert summary.learning_curve is not None


@pytest.mark.parametrize("role", ["actor", "evaluator"])
def test_draws_what_there_is(folder, role):
    stopped = RunResult(Outcome.STOPPED)
    summary = train(experiment(), folder, Engine(stopped, role))
    assert summary.learning_curve == folder.learning_curve
    assert folder.learning_curve.is_file()


def test_an_interrupted_evaluation_is_not_an_early_stop(tmp_path, monkeypatch, capsys):
    root = tmp_path / "run"
    engine = Engine(FINISHED, after=interrupt)
    status, out, err = run_command(monkeypatch, capsys, root, engine)
    assert status == 0
    assert err == "Stopping: the run is over and saved. What is left takes a moment.\n"
    assert "Stopped early" not in out
    assert "final evaluation was interrupted" in out
    run, last = out.splitlines()[-2:]
    assert run == f"Run: {root}"
    assert last == f"To evaluate what it has learned: quinoa evaluate {root}"


@pytest.mark.parametrize(("trouble", "said"), [(damage, "is damaged"), (block_result, "result")])
def test_the_error_of_a_node_stays_last(tmp_path, monkeypatch, capsys, trouble, said):
    engine = Engine(FAILED, after=trouble)
    status, _, err = run_command(monkeypatch, capsys, tmp_path / "run", engine)
    assert status == 1
    first, *_, last = err.strip().splitlines()
    assert first.startswith("quinoa: note: ")
    assert said in first
    assert last == "NodeError: the node's own"


def test_a_failure_in_the_final_evaluation_is_one_line(tmp_path, monkeypatch, capsys):
    root = tmp_path / "run"
    environment = "tests.launch.factories:fails_in_its_first_episode"
    status, out, err = run_command(monkeypatch, capsys, root, Engine(FINISHED), environment)
    assert status == 1
    assert err.count("\n") == 1
    assert err.startswith("quinoa: the final evaluation failed: ")
    assert "the environment's own error" in err
    assert "Stopped early" not in out
    assert read_json(RunFolder(root).result)["outcome"] == "finished"
