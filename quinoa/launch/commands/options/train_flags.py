"""The flags that an experiment is made of, and those of how it is run."""

from __future__ import annotations

import functools

from absl import flags

from quinoa.launch import presets
from quinoa.launch.commands.base import define_number
from quinoa.launch.engines import ENGINES
from quinoa.launch.engines.base import Settings

DEFAULT_ENVIRONMENT = "control:cartpole:swingup"


def define() -> flags.FlagValues:
    """New flags of `quinoa train`, at their defaults."""
    values = flags.FlagValues()

    number = functools.partial(define_number, values)
    flags.DEFINE_string(
        "preset",
        None,
        "An agent with its settings and a task, which other flags and --set change: "
        f"{', '.join(preset.name for preset in presets.every())}; or one of a file of your own, "
        "./FILE.toml or ./FILE.toml:NAME. quinoa list says what each is.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "agent",
        None,
        "What learns: a name (see quinoa list), or the import path of an agent of your own, "
        "my_package.my_agent. "
        "Default: the first that quinoa list shows.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "env",
        DEFAULT_ENVIRONMENT,
        "What it learns: a name (see quinoa list), or package.module:factory for one of your own.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "env_set",
        [],
        "A keyword argument for what makes the environment, NAME=VALUE, the value as JSON has it "
        "(10, true, [1, 2]), or else a text; may be given several times.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "set",
        [],
        "A setting of the agent, NAME=VALUE, as quinoa list AGENT shows them; may be given several "
        "times.",
        flag_values=values,
    )
    number(
        "steps",
        220_000,
        "Actor steps after which the run ends: actions over all environments of all actors, each "
        "of which lasts --action_repeat environment steps.",
    )
    number("num_actors", 2, "Actor processes.")
    number(
        "environments_per_actor",
        None,
        "Environments that each actor steps together. Default: as many as let the actors keep up "
        "with the learner.",
    )
    number("action_repeat", 1, "Environment steps that each action lasts.")
    flags.DEFINE_float(
        "samples_per_insert",
        None,
        "How often each step is learned from, on average, in place of the agent's own setting; 0 "
        "holds no ratio, and lets actors and learner go as fast as they can.",
        lower_bound=0.0,
        flag_values=values,
    )
    number(
        "steps_per_call",
        None,
        "Gradient steps that the learner does in one go. Default: 50, or 200 on a GPU.",
    )
    number(
        "evaluation_period",
        None,
        "Actor steps from one evaluation to the next. Default: steps / 20.",
    )
    number("evaluation_episodes", 10, "Episodes in each evaluation.")
    flags.DEFINE_boolean(
        "evaluation_sample",
        False,
        "Evaluate with sampled actions rather than the policy's mode.",
        flag_values=values,
    )
    number(
        "max_episode_steps",
        100_000,
        "Actions after which an episode that has not ended is cut off (as a time limit would).",
    )
    number(
        "max_parameter_age",
        20_000,
        "Gradient steps that the parameters of an actor may be behind; it warns when they are more "
        "than that, and goes on.",
    )
    number("seed", 0, "Seed of everything random.", least=0)
    flags.DEFINE_string(
        "folder", None, "Where the run goes. Default: a new folder in runs/.", flag_values=values
    )
    flags.DEFINE_string(
        "resume",
        None,
        "The folder of a run to go on with, from its newest checkpoint, however it ended. What it "
        "was started with holds; where other flags say otherwise, --change must name them.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "change",
        [],
        "With --resume: what is meant to change, such as steps or num_actors.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "resume_replay",
        False,
        "With --resume: go on with what replay held when it was last saved, rather than empty.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "engine",
        "local",
        list(ENGINES),
        "; ".join(f"{name}: {entry.about}" for name, entry in ENGINES.items()) + ".",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "private_network",
        True,
        "Give the run's processes a network of their own, so that nobody else reaches their ports. "
        "Turn it off for environments that need the network.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "require_private",
        False,
        "Run nothing where no such network can be made, rather than say so and go on.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "hang_timeout",
        Settings.hang_timeout_s,
        "Seconds without progress after which a process is killed and started again: more than "
        "one step of the environments, or one call of the learner, may ever take.",
        lower_bound=1.0,
        flag_values=values,
    )
    number("learner_threads", None, "Threads of the learner. Default: one for each core.")
    flags.DEFINE_float(
        "checkpoint_period",
        60.0,
        "Seconds from one checkpoint to the next.",
        lower_bound=0.1,
        flag_values=values,
    )
    flags.DEFINE_float(
        "replay_checkpoint_period",
        300.0,
        "Seconds from one saving of what replay holds to the next, for when its server dies, and "
        "for --resume_replay; 0 saves nothing.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "wandb",
        None,
        "A project at Weights & Biases to send the metrics to as well, by its own library, which "
        "is not installed with the others.",
        flag_values=values,
    )
    return values
