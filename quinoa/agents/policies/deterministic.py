"""What policies do where they do not sample, by the setting `deterministic_action`.

The most probable action of histograms is noisy: it jumps from bin to bin where several are about
equally probable, while the expected action moves little (docs/decisions/deterministic_action.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.policies.config import DeterministicAction


def deterministic(distribution: Any, chosen: DeterministicAction) -> tf.Tensor:
    """The mode or the mean of a distribution, float32 [B, A]."""
    action: tf.Tensor = distribution.mean() if chosen == "mean" else distribution.mode()
    return action


def deterministic_settings(chosen: DeterministicAction) -> dict[str, npt.NDArray[Any]]:
    """The same in a policy's `NumpyForm`; nothing of the mode, so that old exports say as much."""
    return {"acts_by_mean": np.array(True)} if chosen == "mean" else {}
