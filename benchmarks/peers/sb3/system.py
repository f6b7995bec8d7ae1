"""Stable-Baselines3's SAC as a whole: acting and learning in turn on this machine.

    .venv-sb3/bin/python benchmarks/peers/sb3/system.py --seconds=60

Runs `stable_baselines3.SAC` on a dm_control task, which Shimmy makes a Gymnasium environment: batch
256, policy and critics of 256-256 units, one gradient step for each environment step, learning from
step 1,000 on, SB3's defaults otherwise. `.venv-sb3` (scripts/peers.sh makes it) has dm_control and
MuJoCo at our own versions, so that the physics is the same code.

What makes it fair: PyTorch uses all cores, as it does by default (`--threads` says otherwise; its
threads wait for one another in a busy loop, so on a machine that does other work at the same time
two can be far slower than one). The environment is handed over without Gymnasium's checking
wrappers, its observation one flat float32 vector. The window begins after 100 gradient steps, when
PyTorch has warmed up.

The last line on stdout is one JSON object: `steps_per_second`, `gradient_steps_per_second`,
`resident_mb` (MiB, at the end), `seconds_to_first_gradient_step` (since this command started),
`steps` and `seconds` (of the window).
"""

import argparse
import json
import os
import time
import warnings

_START = time.monotonic()
os.environ.update(CUDA_VISIBLE_DEVICES="-1", MUJOCO_GL="disable")
# Before the imports below: Shimmy imports GLFW, which warns where there is no display.
warnings.filterwarnings("ignore", message=".*DISPLAY environment variable is missing")
warnings.filterwarnings("ignore", message=".*precision lowered by casting to float32")

import gymnasium  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import torch  # noqa: E402
from dm_control import suite  # noqa: E402
from shimmy.dm_control_compatibility import DmControlCompatibilityV0  # noqa: E402
from stable_baselines3 import SAC  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402

_WARM_UP = 100  # gradient steps


class CountingSAC(SAC):
    """SAC that counts its gradient steps and notes when the first one was done."""

    gradient_steps_done = 0
    first_gradient_step = 0.0

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Does as SAC does, and counts."""
        super().train(gradient_steps, batch_size)
        self.first_gradient_step = self.first_gradient_step or time.monotonic()
        self.gradient_steps_done += gradient_steps


class Window(BaseCallback):
    """Measures for `seconds` once the model has warmed up, then ends the training."""

    def __init__(self, seconds: float):
        super().__init__()
        self._seconds = seconds
        self._begin = None
        self.figures = {}

    def _on_step(self) -> bool:
        # Called after each environment step.
        now, steps = time.monotonic(), self.num_timesteps
        gradient_steps = self.model.gradient_steps_done
        if gradient_steps < _WARM_UP:
            return True
        if self._begin is None:
            self._begin = now, steps, gradient_steps
        begin, begin_steps, begin_gradient_steps = self._begin
        elapsed = now - begin
        if elapsed < self._seconds:
            return True
        self.figures = {
            "steps_per_second": (steps - begin_steps) / elapsed,
            "gradient_steps_per_second": (gradient_steps - begin_gradient_steps) / elapsed,
            "resident_mb": psutil.Process().memory_info().rss / 2**20,
            "seconds_to_first_gradient_step": self.model.first_gradient_step - _START,
            "steps": steps - begin_steps,
            "seconds": elapsed,
        }
        return False


def make_environment(task: str) -> gymnasium.Env:
    """Returns the dm_control task `domain:name`, with one flat float32 observation."""
    domain, name = task.split(":")
    environment = DmControlCompatibilityV0(suite.load(domain, name))
    environment = gymnasium.wrappers.FlattenObservation(environment)
    return gymnasium.wrappers.DtypeObservation(environment, np.float32)


def main() -> None:
    """Trains until the window is over, prints the figures."""
    parser = argparse.ArgumentParser(description="Stable-Baselines3's SAC on this machine.")
    parser.add_argument("--task", default="cheetah:run", help="dm_control task, domain:name")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--threads", type=int, help="PyTorch's threads (default: its own choice)")
    args = parser.parse_args()

    if args.threads:
        torch.set_num_threads(args.threads)
    model = CountingSAC(
        "MlpPolicy",
        make_environment(args.task),
        policy_kwargs={"net_arch": [256, 256]},
        batch_size=256,
        train_freq=1,
        gradient_steps=1,
        learning_starts=1000,
        device="cpu",
    )
    window = Window(args.seconds)
    model.learn(total_timesteps=10**9, callback=window)
    print(json.dumps(window.figures), flush=True)


if __name__ == "__main__":
    main()
