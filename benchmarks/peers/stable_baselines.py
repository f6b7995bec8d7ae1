"""An algorithm of Stable-Baselines3, or of SBX, which has its interface, on this machine.

    .venv-sbx/bin/python benchmarks/peers/stable_baselines.py --algorithm=sbx.SAC --seconds=20

One gradient step for each environment step, or, of an on-policy algorithm, for each batch of them;
and the library's defaults but for what the flags say.
The library has all cores; `--threads` sets PyTorch's threads, which wait for one another in a busy
loop, so that on some machines one is faster than two.

The last line on stdout is one JSON object: what `Window.is_over` says.
"""

import argparse
import importlib
import json
import os

os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", MUJOCO_GL="disable")

import gymnasium
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from window import Window, add_flags


class Timed(BaseCallback):
    """Tells the window of each environment step; ends the training with it."""

    def __init__(self, args: argparse.Namespace):
        super().__init__()
        self.window = Window(args, lambda: self.model._n_updates)

    def _on_step(self) -> bool:
        return not self.window.is_over(self.num_timesteps)


def main() -> None:
    """Trains until the window is over, prints the figures."""
    parser = argparse.ArgumentParser(description="Stable-Baselines3 or SBX on this machine.")
    parser.add_argument("--algorithm", required=True, help="MODULE.CLASS")
    parser.add_argument("--task", required=True, help="an id of Gymnasium")
    parser.add_argument("--batch_size", type=int, required=True)
    parser.add_argument("--environments", type=int, default=1, help="stepped together")
    parser.add_argument("--layers", required=True, help="units of all networks, such as 256,256")
    add_flags(parser)
    args = parser.parse_args()

    if args.threads:
        torch.set_num_threads(args.threads)
    module, _, name = args.algorithm.rpartition(".")
    algorithm = getattr(importlib.import_module(module), name)
    if issubclass(algorithm, OnPolicyAlgorithm):
        environment = make_vec_env(args.task, args.environments)
        settings = {"n_steps": args.batch_size // args.environments}
    else:
        environment = gymnasium.make(args.task)
        settings = {
            "batch_size": args.batch_size,
            "train_freq": 1,
            "gradient_steps": 1,
            "learning_starts": args.learning_starts,
        }
    model = algorithm(
        "MlpPolicy",
        environment,
        policy_kwargs={"net_arch": [int(units) for units in args.layers.split(",")]},
        device="cpu",
        **settings,
    )
    timed = Timed(args)
    model.learn(total_timesteps=10**9, callback=timed)
    print(json.dumps(timed.window.figures), flush=True)


if __name__ == "__main__":
    main()
