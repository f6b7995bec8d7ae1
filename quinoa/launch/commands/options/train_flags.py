"""The flags of `quinoa train`: an experiment's fields, the engines' settings, and the run's own."""

from __future__ import annotations

from absl import flags

from quinoa.launch import presets
from quinoa.launch.commands.options import field_flags
from quinoa.launch.engines import DEFAULT_ENGINE, ENGINES
from quinoa.launch.experiment import Experiment


def define() -> flags.FlagValues:
    """Makes the flags of `quinoa train`, with their defaults."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "preset",
        None,
        "An agent with its settings and a task, which other flags and --set change: "
        f"{', '.join(preset.name for preset in presets.every())}; or one of a file of your own, "
        "./FILE.toml or ./FILE.toml:NAME. quinoa list says what each is.",
        flag_values=values,
    )
    field_flags.define(values, Experiment)
    flags.DEFINE_string(
        "folder", None, "Where the run goes. Default: a new folder in runs/.", flag_values=values
    )
    flags.DEFINE_string(
        "resume",
        None,
        "The folder of a run to resume from its newest checkpoint, however it ended, or the URL of "
        "a copy by --copy_to, which is fetched into --folder. It keeps its settings; --change must "
        "name those that other flags change.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "attach",
        None,
        "The folder of a run that is under way in a Ray cluster: show it as if it had been started "
        "here. Any host of the cluster can.",
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
        "With --resume: start with the replay that was last saved, rather than an empty one.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "engine",
        DEFAULT_ENGINE,
        list(ENGINES),
        "; ".join(f"{name}: {entry.about}" for name, entry in ENGINES.items()) + ".",
        flag_values=values,
    )
    for entry in ENGINES.values():
        field_flags.define(values, entry.settings)
    flags.DEFINE_string(
        "copy_to",
        None,
        "A folder, or a URL that fsspec knows (s3://BUCKET/RUN; the store's own library is to be "
        "installed), to copy checkpoints and metrics to while the run lasts, so that --resume=URL "
        "can continue it where its own disk is lost.",
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
