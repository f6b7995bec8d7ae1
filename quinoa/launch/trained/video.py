"""Records videos of a policy's episodes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quinoa.launch.terminal.output import say
from quinoa.launch.trained import video_file
from quinoa.launch.trained.evaluate import kind_of_actions, load_agent
from quinoa.launch.trained.playback import play
from quinoa.launch.trained.video_frames import Frame, VideoFrames, max_picture_width

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent
    from quinoa.environments import CanonicalEnvironment
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment

# The most frames per second, and the steps per second if the environment does not give a step's
# duration.
MAX_RATE = 30.0
# The fewest frames per second: steps that last longer than a second are shown for one second.
MIN_RATE = 1.0


def make_environments(experiment: Experiment, count: int, seed: int) -> list[CanonicalEnvironment]:
    """Makes the environments to record.

    Raises:
        NotRenderableError: they cannot be rendered.
        ExperimentError: they cannot be made any more.
    """
    from quinoa import environments
    from quinoa.environments import rendering

    sequence = np.random.SeedSequence(experiment.seed_of(f"video-{seed}"))
    made = []
    for of_one in environments.draw_seeds(sequence, count):
        environment = experiment.make_environment(of_one, rendered=True)
        made.append(environment)
        rendering.check(environment, experiment.environment)
    return made


def record(
    experiment: Experiment,
    checkpoint: Checkpoint,
    environments: Sequence[CanonicalEnvironment],
    paths: Sequence[Path],
    *,
    length: int,
    height: int,
    seed: int,
    sample: bool = False,
    on_step: Callable[[], object] | None = None,
) -> None:
    """Plays one episode in each environment and records them, at the speed of simulated time.

    Args:
        experiment: the run's experiment.
        checkpoint: the checkpoint whose agent plays.
        environments: environments from `make_environments`; they are not closed.
        paths: the video's files; their endings are the formats.
        length: the number of steps after which running episodes are left.
        height: the height of each episode's picture in pixels.
        seed: the seed of sampled actions.
        sample: whether to sample actions instead of taking the mode.
        on_step: called after each step.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        EnvironmentFault: an environment failed.
        NonFiniteError: the policy's actions are not finite.
        NotRenderableError: an environment did not render a picture.
        OSError: a file cannot be written.
    """
    agent = load_agent(experiment, checkpoint)
    every, rate = timing(environments[0])
    kind = kind_of_actions(experiment, sample=sample or not agent.policy.has_mode)
    title = (
        f"{experiment.agent} on {experiment.environment}, "
        f"{int(checkpoint.path.name)} learner steps, {kind}"
    )
    frames = _frames(
        agent,
        environments,
        title,
        length=min(length, experiment.max_episode_steps),
        every=every,
        height=height,
        seed=experiment.seed_of(f"video-actions-{seed}"),
        sample=sample,
        on_step=on_step,
    )
    video_file.write(frames, rate, paths)


def timing(environment: CanonicalEnvironment) -> tuple[int, float]:
    """The steps per frame, and the frames per second at the speed of simulated time."""
    from quinoa.environments import rendering

    seconds = rendering.step_seconds(environment)
    if not seconds:
        return 1, MAX_RATE
    # The bound keeps this finite for extremely short steps.
    every = max(round(1.0 / max(seconds * MAX_RATE, 1e-9)), 1)
    return every, max(min(1.0 / (seconds * every), 60.0), MIN_RATE)


def _frames(
    agent: Agent,
    environments: Sequence[CanonicalEnvironment],
    title: str,
    *,
    length: int,
    every: int,
    height: int,
    seed: int,
    sample: bool,
    on_step: Callable[[], object] | None,
) -> Iterator[Frame]:
    from quinoa.environments import rendering

    video: VideoFrames | None = None
    max_width = max_picture_width(len(environments))

    def picture(environment: CanonicalEnvironment) -> Frame:
        return rendering.render(environment, height, max_width)

    for step in play(agent, environments, length=length, seed=seed, sample=sample):
        if on_step is not None:
            on_step()
        if video is None:
            pictures = [picture(environment) for environment in environments]
            if (least := min(map(len, pictures))) < height:
                say(
                    f"quinoa: note: the pictures are so wide that they are shown {least} pixels "
                    f"high, not {height}.",
                    sys.stderr,
                )
            video = VideoFrames(
                title,
                [(each.shape[0], each.shape[1]) for each in pictures],
                length=length,
                has_value=step.value is not None,
                has_entropy=step.entropy is not None,
            )
        video.add_values(step)
        if step.step % every and not step.last:
            continue
        yield video.compose(
            step,
            [
                picture(environment) if video.needs_picture(i) else None
                for i, environment in enumerate(environments)
            ],
        )
