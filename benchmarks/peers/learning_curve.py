"""Learns a task with Stable-Baselines3 or SBX, and says how well the policy does as time goes on.

    .venv-sbx/bin/python benchmarks/peers/learning_curve.py --algorithm=sbx.SAC \
        --task=HalfCheetah-v5 --seed=0 --steps=300000 --period=10000 --episodes=5

The library's defaults, which are its authors' settings. `control:DOMAIN:TASK` is a task of
dm_control, by Shimmy. One line of JSON on the standard output for each evaluation: `seconds` since
the process began, without those that evaluations took, `steps` and the mean `return` of the mode.
"""

import argparse
import importlib
import json
import os
import time

os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", MUJOCO_GL="disable")

import gymnasium
import psutil
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor


def make(task: str) -> gymnasium.Env:
    """Makes an environment of Gymnasium, or of dm_control with its observations as one vector."""
    if not task.startswith("control:"):
        return gymnasium.make(task.removeprefix("gym:"))
    import shimmy  # noqa: F401

    _, domain, name = task.split(":")
    return gymnasium.wrappers.FlattenObservation(
        gymnasium.make(f"dm_control/{domain}-{name.replace('_', '-')}-v0")
    )


class Evaluations(BaseCallback):
    """Evaluates the policy every `period` steps, from the first step on."""

    def __init__(self, args: argparse.Namespace):
        super().__init__()
        self._task, self._period, self._episodes = args.task, args.period, args.episodes
        self._environment = Monitor(make(args.task))
        self._environment.reset(seed=args.seed + 1000)
        self._began = psutil.Process().create_time()
        self._evaluating_s = 0.0

    def evaluate(self, model) -> None:
        """Prints how well the policy does now."""
        before = time.time()
        mean, _ = evaluate_policy(
            model, self._environment, self._episodes, deterministic=True, warn=False
        )
        line = {
            "seconds": before - self._began - self._evaluating_s,
            "steps": model.num_timesteps,
            "return": float(mean),
        }
        self._evaluating_s += time.time() - before
        print(json.dumps(line), flush=True)

    def _on_step(self) -> bool:
        if self.num_timesteps % self._period == 0:
            self.evaluate(self.model)
        return True


def main() -> None:
    """Learns, and evaluates meanwhile."""
    parser = argparse.ArgumentParser(description="Stable-Baselines3 or SBX, as it learns.")
    parser.add_argument("--algorithm", required=True, help="MODULE.CLASS")
    parser.add_argument("--task", required=True, help="an id of Gymnasium, or control:DOMAIN:TASK")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True, help="environment steps")
    parser.add_argument("--period", type=int, required=True, help="steps between evaluations")
    parser.add_argument("--episodes", type=int, required=True, help="of an evaluation")
    parser.add_argument("--threads", type=int, help="PyTorch's threads (default: its own choice)")
    args = parser.parse_args()

    if args.threads:
        torch.set_num_threads(args.threads)
    module, _, name = args.algorithm.rpartition(".")
    algorithm = getattr(importlib.import_module(module), name)
    model = algorithm("MlpPolicy", make(args.task), seed=args.seed, device="cpu")
    evaluations = Evaluations(args)
    evaluations.evaluate(model)
    model.learn(total_timesteps=args.steps, callback=evaluations)
    if args.steps % args.period:
        evaluations.evaluate(model)


if __name__ == "__main__":
    main()
