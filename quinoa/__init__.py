"""Distributed reinforcement learning with policies that are their own Q-functions.

    import quinoa

    run = quinoa.train("iq", env="gym:Pendulum-v1", steps=20_000)
    run.curve().plot(x="actor_steps", y="episode_return")
    policy = quinoa.load(run.path).policy()

This is the whole public Python API, described in docs/api.md. Importing it imports neither
TensorFlow nor a simulator.
"""

from typing import TYPE_CHECKING

from quinoa import lazy
from quinoa.training import resume, train

if TYPE_CHECKING:
    from quinoa.callbacks import Event
    from quinoa.comparison import compare
    from quinoa.evaluation import Evaluation
    from quinoa.experiment import Experiment
    from quinoa.launch.errors import ExperimentError, RunError
    from quinoa.listing import list_agents, list_environments, make_env
    from quinoa.policy import Policy
    from quinoa.run import Run, load
    from quinoa.session import TrainingError
    from quinoa.video import Video

__all__ = [
    "Evaluation",
    "Event",
    "Experiment",
    "ExperimentError",
    "Policy",
    "Run",
    "RunError",
    "TrainingError",
    "Video",
    "compare",
    "list_agents",
    "list_environments",
    "load",
    "make_env",
    "resume",
    "train",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "Evaluation": "quinoa.evaluation",
        "Event": "quinoa.callbacks",
        "Experiment": "quinoa.experiment",
        "ExperimentError": "quinoa.launch.errors",
        "Policy": "quinoa.policy",
        "Run": "quinoa.run",
        "RunError": "quinoa.launch.errors",
        "TrainingError": "quinoa.session",
        "Video": "quinoa.video",
        "compare": "quinoa.comparison",
        "list_agents": "quinoa.listing",
        "list_environments": "quinoa.listing",
        "load": "quinoa.run",
        "make_env": "quinoa.listing",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
