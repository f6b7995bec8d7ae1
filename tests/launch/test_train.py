"""What `train` makes of how an engine ended, with engines that end at once."""

from __future__ import annotations

import dataclasses
import signal
import tempfile
from collections.abc import Callable

import pytest

from quinoa.agents import registry
from quinoa.agents.evaluation import EvaluationStopped
from quinoa.agents.learner import Learner
from quinoa.launch import cli, engines
from quinoa.launch import train as train_module
from quinoa.launch.analysis import plots
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.engines import signals
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.engines.calls import Caller, NotStoppedError
from quinoa.launch.engines.local.engine import LocalEngine
from quinoa.launch.engines.settings import LocalSettings
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment.saved import save
from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from quinoa.launch.train import train
from quinoa.launch.watch.progress import Progress
from tests.launch.disks import fill
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
            learner_checkpoints.save(folder.checkpoints, learner, Counts(actor_steps=10))
            log = MetricsLog(folder)
            counts = {"actor_steps": 1, "learner_steps": 1}
            log.write(self.role, {"wall_time": 0.0, **counts, "episode_return": 2.0})
            log.close()
        self.after(folder)
        return self.result


def test_the_final_evaluation_acts_as_those_before_it(folder, monkeypatch):
    """With samples, where the run has `evaluation_sample`: it is the last row of the same curve."""
    asked = []

    def evaluate(of, checkpoint, num_episodes, *, sample, **_):
        asked.append(sample)
        raise EvaluationStopped

    monkeypatch.setattr(train_module, "evaluate_checkpoint", evaluate)
    for sample in (False, True):
        of = experiment(evaluation_sample=sample)
        agent_class = registry.load(of.agent).agent_class
        learner = Learner(agent_class, of.learner_config, of.spec(), seed=0)
        checkpoint = learner_checkpoints.save(folder.checkpoints, learner, Counts())
        assert train_module._final_row(of, checkpoint, Caller(lambda _: None)) is None
    assert asked == [False, True]


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
    monkeypatch.setattr(engines, "make", lambda name, context, settings: engine)
    # What the command does to the variables and flags of its process is tested elsewhere.
    monkeypatch.setattr("quinoa.launch.machine.process_environment.set_for_this_process", dict)
    # The engine above is what this one makes; others have processes that are no part of this.
    status = cli.main(train_command(root, "--engine=serial", environment=environment)[3:])
    return status, *capsys.readouterr()


def test_a_signal_between_run_and_evaluation_skips_the_evaluation(folder):
    before = signal.getsignal(signal.SIGINT)
    summary = train(experiment(), folder, Engine(FINISHED, after=interrupt))
    assert summary.result.outcome is Outcome.FINISHED
    assert (summary.result.final_returns, summary.evaluation_error) == (None, None)
    assert summary.learning_curve == folder.learning_curve
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_while_plotting_is_not_the_end(folder, monkeypatch):
    draw = plots.plot_run

    def interrupted(*arguments):
        interrupt(folder)
        return draw(*arguments)

    monkeypatch.setattr(plots, "plot_run", interrupted)
    summary = train(experiment(), folder, Engine(FINISHED))
    assert summary.result.final_returns is not None
    assert summary.learning_curve is not None


@pytest.mark.parametrize("role", ["actor", "evaluator"])
def test_draws_what_there_is(folder, role):
    stopped = RunResult(Outcome.STOPPED)
    summary = train(experiment(), folder, Engine(stopped, role))
    assert summary.learning_curve == folder.learning_curve
    assert folder.learning_curve.is_file()


def test_an_interrupted_evaluation_is_not_an_early_stop(tmp_path, monkeypatch, capsys):
    root = tmp_path / "run"

    def interrupted(self, *error):
        # The engine has come to its end, and nobody yet knows of anything that follows.
        interrupt(RunFolder(root))

    monkeypatch.setattr(Progress, "__exit__", interrupted)
    status, out, err = run_command(monkeypatch, capsys, root, Engine(FINISHED))
    assert status == 0
    assert err == "Stopping: the run is over and saved. What is left takes a moment.\n"
    assert "Stopped early" not in out
    assert "final evaluation was interrupted" in out
    run, last = out.splitlines()[-2:]
    assert run == f"Run: {root}"
    assert last == f"To evaluate what it has learned: quinoa evaluate {root}"


def test_an_evaluation_that_had_to_be_ended_is_an_interrupted_one(tmp_path):
    def call(what, function, **options):
        raise NotStoppedError("It has not stopped.")

    summary = train(experiment(), RunFolder(tmp_path), Engine(FINISHED), call=call)
    assert summary.result.outcome is Outcome.FINISHED
    assert (summary.result.final_returns, summary.evaluation_error) == (None, None)


def test_a_run_whose_engine_cannot_start_it_leaves_its_folder_to_a_second_try(
    tmp_path, monkeypatch, small_disk
):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    fill(small_disk)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(small_disk))
        with pytest.raises(ExperimentError, match=r"temporary folder .* TMPDIR"):
            train(experiment(), folder, LocalEngine(ProcessContext({}), LocalSettings()))
    assert not folder.root.exists()
    folder.create()
    assert train(experiment(), folder, Engine(FINISHED)).result.final_returns is not None


def test_a_resumed_run_that_cannot_be_started_stays(folder, monkeypatch, small_disk):
    save(experiment(), folder)
    fill(small_disk)
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with pytest.raises(ExperimentError, match="temporary folder"):
        train(experiment(), folder, LocalEngine(ProcessContext({}), LocalSettings()), resumed_at=0)
    assert folder.experiment.is_file()
    assert folder.checkpoints.is_dir()


def test_a_run_that_has_begun_stays_whatever_ends_it(folder):
    def refuse(of):
        raise ExperimentError("no more of it")

    with pytest.raises(ExperimentError, match="no more of it"):
        train(experiment(), folder, Engine(FINISHED, after=refuse))
    assert learner_checkpoints.newest(folder.checkpoints) is not None
    assert read_json(folder.result)["outcome"] == "failed"


def test_a_failure_where_there_is_no_room_for_temporary_files_says_so_last(
    folder, monkeypatch, small_disk
):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    result = train(experiment(), folder, Engine(FAILED)).result
    first, last = str(result.error).splitlines()
    assert first == FAILED.error
    assert last.startswith(f"The temporary folder {small_disk} cannot be used (No space left")
    assert read_json(folder.result)["error"] == result.error


def test_an_error_where_there_is_no_room_for_temporary_files_says_so_last(
    tmp_path, monkeypatch, capsys, small_disk
):
    def fail(of):
        monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
        raise TypeError("Iterating over a symbolic tensor is not allowed")

    engine = Engine(FINISHED, after=fail)
    status, _, err = run_command(monkeypatch, capsys, tmp_path / "run", engine)
    assert status == 1
    *_, first, last = err.strip().splitlines()
    assert first == "TypeError: Iterating over a symbolic tensor is not allowed"
    assert last.startswith(f"quinoa: The temporary folder {small_disk} cannot be used (No space")


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
