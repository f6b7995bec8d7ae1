"""The flag of commands that find a run in a cluster."""

from __future__ import annotations

from absl import flags


def define(values: flags.FlagValues | None = None) -> flags.FlagValues:
    """Defines `--ray_address`.

    Args:
        values: flags to add it to; by default none.
    """
    values = flags.FlagValues() if values is None else values
    flags.DEFINE_string(
        "ray_address",
        "auto",
        "For a run in a Ray cluster: the address of the cluster's head, HOST:PORT; auto is the "
        "cluster that this machine is a host of.",
        flag_values=values,
    )
    return values
