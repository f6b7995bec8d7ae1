"""Videos of what a run has learned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quinoa.launch.terminal.output import say
from quinoa.launch.trained import video_file
from quinoa.launch.trained.evaluate import load_agent
from quinoa.launch.trained.playback import play
from quinoa.launch.trained.video_frames import Frame, VideoFrames, max_picture_width

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent
    from quinoa.environments import CanonicalEnvironment
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment

# Frames a second, at most; where the environment does not say how long a step lasts, so many steps.
MAX_RATE = 30.0
# And at least: of steps that last longer than a second, one is shown a second.
MIN_RATE = 1.0


def make_environments(experiment: Experiment, count: int, seed: int) -> list[CanonicalEnvironment]:
    """Makes the environments to be filmed.

    Raises:
        NotRenderableError: they have no pictures.
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
    """Plays one episode in each environment and films them, in the time of the simulation.

    Args:
        experiment: of the run.
        checkpoint: of the run.
        environments: what `make_environments` made; they stay open.
        paths: of the video's files; their endings are the formats.
        length: steps after which episodes that are not over are left.
        height: of the picture of each episode, in pixels.
        seed: of the actions, where they are sampled.
        sample: whether they are, or the policy's mode is taken.
        on_step: called after each step.

    Raises:
        RunError: the checkpoint is damaged, or another experiment's.
        EnvironmentFault: an environment failed.
        NonFiniteError: the policy cannot act.
        NotRenderableError: what an environment draws is no picture.
        OSError: a file cannot be written.
    """
    agent = load_agent(experiment, checkpoint)
    every, rate = timing(environments[0])
    kind = "sampled actions" if sample else "the policy's mode"
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
    """How many steps a frame stands for, and how many frames a second show the simulated time."""
    from quinoa.environments import rendering

    seconds = rendering.step_seconds(environment)
    if not seconds:
        return 1, MAX_RATE
    # However short a step is, this is a finite number of them.
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

    for moment in play(agent, environments, length=length, seed=seed, sample=sample):
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
                has_value=moment.value is not None,
            )
        video.see(moment)
        if moment.step % every and not moment.last:
            continue
        yield video.compose(
            moment,
            [
                picture(environment) if video.is_needed(i) else None
                for i, environment in enumerate(environments)
            ],
        )
