"""The names that metrics have as columns of CSV files; those of counts are in `counts`."""

from __future__ import annotations

from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS

# What every row says first: when it was, in seconds since 1970, and how far the run was.
WALL_TIME = "wall_time"
TIME_COLUMNS = (WALL_TIME, ACTOR_STEPS, LEARNER_STEPS)

# Of actors and of the evaluator: means over the episodes that ended since the last row (their
# number is under the name of the count of episodes), and how many were dropped or cut off.
EPISODE_RETURN = "episode_return"
EPISODE_RETURN_STD = "episode_return_std"
EPISODE_RETURN_MIN = "episode_return_min"
EPISODE_RETURN_MAX = "episode_return_max"
EPISODE_LENGTH = "episode_length"
DROPPED_EPISODES = "dropped_episodes"
TRUNCATED_EPISODES = "truncated_episodes"

# Of an evaluation's single episodes: the number of the episode in its evaluation. In an evaluator's
# row these are rows themselves, under the last name.
EPISODE = "episode"
EACH_EPISODE = "each_episode"

# Of actors: the actor's index, its actions per second, how many gradient steps its parameters are
# behind, and its actions with parameters that are older than they are meant to be.
ACTOR = "actor"
STEPS_PER_SECOND = "steps_per_second"
PARAMETER_AGE = "parameter_age"
STALE_STEPS = "stale_steps"

# Of the learner, besides its gradient steps per second and what its agent measures.
WAITING = "waiting"
REPLAY_SIZE = "replay_size"
SKIPPED_STEPS = "skipped_steps"
ROLLBACKS = "rollbacks"
SKIPPED_CHECKPOINTS = "skipped_checkpoints"
CHECKPOINT_SECONDS = "checkpoint_seconds"

# Of the learner too, and not of what it learns.
COLUMNS_OF_WORK = (STEPS_PER_SECOND, SKIPPED_CHECKPOINTS, CHECKPOINT_SECONDS)

# Of a learner without actors: the mean log-likelihood of the demonstrations that it learns from,
# and of those that are held out.
LOG_LIKELIHOOD = "log_likelihood"
HELD_OUT_LOG_LIKELIHOOD = "held_out_log_likelihood"

# Of the supervisor, over all roles; for each role they have its name before them.
RESTARTS = "restarts"
SECONDS_LOST = "seconds_lost"
