r"""A script of CleanRL or LeanRL, as it is, on this machine.

    .venv-cleanrl/bin/python benchmarks/peers/single_file.py --seconds=20 --learning_starts=1000 \
        --updates=q_optimizer \
        .venv-cleanrl/source/cleanrl/sac_continuous_action.py --env-id=HalfCheetah-v5

What follows the script's name are its own flags, to which `--learning-starts` is added. These
scripts make one gradient step for each environment step from there on (CleanRL's DQN with
`--train-frequency=1`), with networks whose units they fix. `--updates` names the script's variable
that counts gradient steps: an optimizer of PyTorch or a train state of Flax.

What the script finds changed: TensorBoard and Weights & Biases are replaced by modules that record
nothing (in its favour), and Gymnasium's vector environment keeps the conventions of the release
that the script was written for: an environment is reset in the step that ends its episode, whose
last observation is `infos["final_observation"]`.

The last line on stdout is one JSON object: what `Window.is_over` says.
"""

import argparse
import json
import os
import pathlib
import sys
import types
from unittest import mock

os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", MUJOCO_GL="disable")

import gymnasium
import torch
from gymnasium.vector import AutoresetMode
from window import Window, add_flags


class WindowOver(Exception):
    """The script has been timed."""


def updates_of(counter) -> int:
    """The gradient steps that an optimizer of PyTorch, or a train state of Flax, has done."""
    if isinstance(counter, torch.optim.Optimizer):
        return max((int(state["step"]) for state in counter.state.values()), default=0)
    return int(counter.step)


def environments_timed_by(window: Window, script: dict) -> type:
    """Gymnasium's vector environment, which tells the window of the script's `global_step`."""

    class Environments(gymnasium.vector.SyncVectorEnv):
        def __init__(self, env_fns):
            super().__init__(env_fns, autoreset_mode=AutoresetMode.SAME_STEP)

        def step(self, actions):
            if window.is_over(script["global_step"]):
                raise WindowOver
            *step, infos = super().step(actions)
            # The episode's statistics, which the script would log, had another form.
            infos.pop("final_info", None)
            if "final_obs" in infos:
                infos["final_observation"] = infos.pop("final_obs")
            return *step, infos

    return Environments


def main() -> None:
    """Runs the script until the window is over, prints the figures."""
    parser = argparse.ArgumentParser(description="A script of CleanRL or LeanRL.")
    parser.add_argument("--updates", required=True, help="the variable that counts gradient steps")
    parser.add_argument("script", type=pathlib.Path)
    parser.add_argument("flags", nargs=argparse.REMAINDER)
    add_flags(parser)
    args = parser.parse_args()

    if args.threads:
        torch.set_num_threads(args.threads)
    module = types.ModuleType("__main__")
    module.__file__ = str(args.script)
    names = module.__dict__
    window = Window(args, lambda: updates_of(names[args.updates]))
    gymnasium.vector.SyncVectorEnv = environments_timed_by(window, names)
    # Where the script's own imports are.
    sys.path.insert(0, str(args.script.resolve().parent.parent))
    sys.modules.update(
        {"__main__": module, "wandb": mock.Mock(), "torch.utils.tensorboard": mock.Mock()}
    )
    sys.argv = [str(args.script), *args.flags, f"--learning-starts={args.learning_starts}"]
    try:
        exec(compile(args.script.read_text(), str(args.script), "exec"), names)
    except WindowOver:
        print(json.dumps(window.figures), flush=True)
        return
    sys.exit(f"{args.script} ended before it was measured.")


if __name__ == "__main__":
    main()
