"""Drops MuJoCo's warnings about deprecated attributes in model files.

MuJoCo repeats them whenever it compiles a model. The models are dm_control's and Gymnasium's, so
users cannot act on them. Without a handler MuJoCo also writes each warning to a file MUJOCO_LOG.TXT
in the current folder. Other warnings, such as of an unstable simulation, are logged.
"""

from __future__ import annotations

import logging

from absl import logging as absl_logging

_DEPRECATION = "is deprecated and will be removed in a future release"


def install() -> None:
    """Installs the handler once per process; keeps an existing one, such as dm_control's."""
    # dm_control's handler logs MuJoCo's warnings with absl.
    absl_logging.get_absl_logger().addFilter(_is_not_deprecation)

    import mujoco

    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_log)


def _is_not_deprecation(record: logging.LogRecord) -> bool:
    return _DEPRECATION not in record.getMessage()


def _log(message: str) -> None:
    absl_logging.warning("MuJoCo: %s", message)
