"""The engine in one process: no servers, no threads, and the same numbers every time."""

from __future__ import annotations

import time
from collections.abc import Callable

from quinoa.agents.config import OffPolicyConfig
from quinoa.environments.user_code import described
from quinoa.launch.checkpoints import learner_checkpoints, replay_checkpoints
from quinoa.launch.engines import signals
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.engines.settings import EngineSettings
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.roles.demonstration_learning import DemonstrationTurns
from quinoa.launch.roles.turns import Turns
from quinoa.launch.run.process_list import ProcessList
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status

# Seconds from one status to the next.
_STATUS_S = 0.5


class SerialEngine:
    """Acts, learns and evaluates in turn: for debugging, and where runs must be repeatable.

    The same experiment gives the same parameters bit for bit, if its environment is deterministic
    and TensorFlow has one thread (as it has under the command line).
    """

    replay_form = replay_checkpoints.ROWS_FORMAT
    is_one_process = True

    def __init__(self, context: ProcessContext, settings: EngineSettings):
        """Starts nothing yet; it starts no processes, and has no settings."""
        del context, settings

    def check(self, experiment: Experiment) -> None:
        """See `Engine.check`."""
        config = experiment.config
        if isinstance(config, OffPolicyConfig) and not config.samples_per_insert:
            raise ExperimentError(
                "The serial engine acts and learns in turn, so it needs a ratio of the two: give "
                "samples_per_insert above 0."
            )

    def run(
        self,
        experiment: Experiment,
        folder: RunFolder,
        on_status: Callable[[Status], None],
    ) -> RunResult:
        """See `Engine.run`. A failure raises its own error, for a debugger to see."""
        checkpoint, start = learner_checkpoints.newest_with_counts(folder.checkpoints)
        counter = Counter(folder, experiment.budget, start)
        ProcessList(folder)
        with signals.caught() as stop:
            kind = Turns if experiment.config.has_actors else DemonstrationTurns
            turns = kind(
                experiment.resumed(start.actor_steps),
                folder,
                checkpoint,
                counter.report,
                should_stop=lambda: stop.count > 0,
            )
            try:
                with stop.second_interrupts():
                    shown = time.monotonic()
                    while not turns.is_over and not stop.count:
                        turns.take()
                        now = time.monotonic()
                        if now - shown >= _STATUS_S:
                            counter.save()
                            on_status(counter.status())
                            shown = now
                        turns.save_if_due()
                    turns.save_last()
                outcome = Outcome.FINISHED if turns.is_over else Outcome.STOPPED
            except KeyboardInterrupt:
                if stop.count < 2:
                    raise
                outcome = Outcome.KILLED
            except Exception:
                raise
            except BaseException as error:
                # sys.exit() in an agent's code, say, which would end this process with status 0.
                raise RuntimeError(
                    f"The run was ended before its last step by {described(error)}."
                ) from error
            finally:
                turns.close()
                counter.close()
            on_status(counter.status())
            return RunResult(outcome)
