"""Keeps MuJoCo's notices about how its models are written off the terminal and off the disk.

MuJoCo reports a deprecated attribute in a model file whenever it compiles one. The models are
those of dm_control and Gymnasium, so there is nothing that our user could do. Without a handler
MuJoCo also writes each of them to a file, MUJOCO_LOG.TXT, in the current folder. Its other
warnings, such as an unstable simulation, are kept.
"""

from __future__ import annotations

import logging

from absl import logging as absl_logging

_DEPRECATION = "is deprecated and will be removed in a future release"


def install() -> None:
    """Installs the handler, once a process; an existing one (dm_control's, say) stays."""
    # dm_control sends MuJoCo's warnings to absl.
    absl_logging.get_absl_logger().addFilter(_is_not_deprecation)

    import mujoco

    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_log)


def _is_not_deprecation(record: logging.LogRecord) -> bool:
    return _DEPRECATION not in record.getMessage()


def _log(message: str) -> None:
    absl_logging.warning("MuJoCo: %s", message)
