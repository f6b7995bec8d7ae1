"""The Dockerfile, as far as it can be held without a daemon to build it."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


class Instruction(NamedTuple):
    """A line of a Dockerfile, continued ones joined: `RUN`, and what is run."""

    name: str
    rest: str

    def words(self) -> list[str]:
        """What follows the name, without the options."""
        return [word for word in shlex.split(self.rest) if not word.startswith("--")]


def stages() -> dict[str, list[Instruction]]:
    """The instructions of each stage of the Dockerfile, and under "" those before the first."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    found: dict[str, list[Instruction]] = {"": []}
    stage = ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        instruction = Instruction(*line.split(maxsplit=1))
        if instruction.name == "FROM":
            words = instruction.words()
            stage = words[2] if len(words) == 3 else "final"
            found[stage] = []
        found[stage].append(instruction)
    return found


def instructions(name: str) -> list[tuple[str, Instruction]]:
    return [(stage, each) for stage, some in stages().items() for each in some if each.name == name]


def in_context(path: str) -> bool:
    """Whether .dockerignore has a path sent to the daemon: its last line that fits counts."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if not line or line.startswith("#"):
            continue
        parents = [path, *(str(parent) for parent in Path(path).parents)]
        names = [each.split("/")[-1] for each in parents] if pattern.startswith("**/") else parents
        if any(fnmatch.fnmatchcase(each, pattern.removeprefix("**/")) for each in names):
            sent = line.startswith("!")
    return sent


def test_each_stage_begins_with_one_before_it_or_with_the_image_of_our_python():
    known = [""]
    version = (ROOT / ".python-version").read_text().strip()
    for stage, some in stages().items():
        if stage:
            image = some[0].words()[0]
            if image == "${DEVICE}":
                assert {"cpu", "gpu"} <= set(known)
            else:
                assert image in known or image.startswith(f"python:{version}-slim"), image
            known.append(stage)
    assert stages()["final"] == [Instruction("FROM", "${DEVICE}")]
    assert stages()[""] == [Instruction("ARG", "DEVICE=cpu")]


def test_what_is_copied_exists_and_is_sent_and_nothing_large_is():
    copied = []
    for stage, copy in instructions("COPY"):
        source = re.match(r"--from=(\S+)", copy.rest)
        if source is not None:
            assert source[1] in stages(), copy
            continue
        assert stage
        for path in copy.words()[:-1]:
            assert (ROOT / path).exists(), path
            assert in_context(path), path
            copied.append(path)
    assert "quinoa" in copied and "requirements.txt" in copied
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    sent = [path for path in tracked if in_context(path)]
    assert {path.split("/")[0] for path in sent} - {path.split("/")[0] for path in copied} == set()
    assert sum((ROOT / path).stat().st_size for path in sent if (ROOT / path).is_file()) < 4e6
    assert not any(in_context(path) for path in (".git", ".venv", "runs", "quinoa/__pycache__"))


def test_what_is_run_is_valid_and_calls_scripts_that_were_copied():
    for stage, run in instructions("RUN"):
        done = subprocess.run(["sh", "-n"], input=run.rest, text=True, capture_output=True)
        assert done.returncode == 0, (run, done.stderr)
        for script in re.findall(r"scripts/\S+", run.rest):
            assert os.access(ROOT / script, os.X_OK)
            subprocess.run(["bash", "-n", ROOT / script], check=True)
            before = stages()[stage][: stages()[stage].index(run)]
            assert any(each.name == "COPY" and script in each.rest for each in before), script


def test_nobody_is_root_and_the_program_is_what_starts():
    for stage in ("cpu", "gpu"):
        chain = [*stages()["base"], *stages()[stage]]
        users = [each.rest for each in chain if each.name == "USER"]
        assert users and users[-1] not in ("root", "0")
        (entry,) = [each.rest for each in chain if each.name == "ENTRYPOINT"]
        assert '"quinoa"' in entry


def test_each_device_gets_its_tensorflow_and_only_what_runs(tmp_path):
    """By the script that the Dockerfile runs, with a pip that says what it was asked for."""
    for files, present, absent in (
        (["requirements.txt"], "tensorflow-cpu", "nvidia-cudnn-cu11"),
        (["requirements.txt", "requirements-gpu.txt"], "nvidia-cudnn-cu11", "tensorflow-cpu"),
    ):
        python = tmp_path / "bin" / "python"
        python.parent.mkdir(exist_ok=True)
        python.write_text('#!/bin/sh\necho "$@"\n')
        python.chmod(0o755)
        subprocess.run(
            ["scripts/install_pins.sh", "--running", tmp_path, *files],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        pins = (tmp_path / "quinoa-requirements.txt").read_text().splitlines()
        names = {pin.partition("==")[0] for pin in pins}
        assert present in names and absent not in names
        assert {"dm-reverb", "rich"} <= names and not names & {"pytest", "mkdocs", "mypy"}
        assert all(re.fullmatch(r"[\w-]+==\S+", pin) for pin in pins)


def test_with_cuda_takes_the_cuda_of_the_environment_whose_command_it_runs(tmp_path):
    script = ROOT / "scripts" / "with_cuda.sh"
    command = tmp_path / "bin" / "quinoa"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH $1"\n')
    command.chmod(0o755)
    environment = {"PATH": f"{command.parent}:/usr/bin:/bin"}

    def run(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script, name, "list"], env=environment, capture_output=True, text=True, cwd=tmp_path
        )

    assert "has no CUDA: run make GPU=1 setup" in run("quinoa").stderr
    assert "there is no command nowhere" in run("nowhere").stderr
    nvidia = tmp_path / "lib/python3.10/site-packages/nvidia"
    (nvidia / "cudnn" / "lib").mkdir(parents=True)
    for name in ("quinoa", "bin/quinoa"):
        assert run(name).stdout == f"{nvidia}/cudnn/lib list\n"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_steps_that_build_it_work_and_what_they_make_trains(tmp_path):
    """The first stage in a folder of ours, in place of the image's own."""
    work, target = tmp_path / "build", tmp_path / "opt"
    work.mkdir()
    python = Path(sys.base_prefix) / "bin"
    environment = {"PATH": f"{python}:{os.environ['PATH']}", "DEVICE": "cpu", "HOME": str(tmp_path)}
    environment |= {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    for instruction in stages()["build"]:
        if instruction.name == "COPY":
            *sources, destination = instruction.words()
            for source in sources:
                name = source.split("/")[-1]
                folder = destination in ("./", ".") or destination.endswith("/")
                to = work / destination / name if folder else work / destination
                to.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, to)
                else:
                    shutil.copy(ROOT / source, to)
        elif instruction.name == "ENV":
            environment |= dict(word.split("=", 1) for word in instruction.words())
        elif instruction.name == "RUN":
            done = subprocess.run(
                ["sh", "-ec", instruction.rest.replace("/opt/quinoa", str(target))],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            assert instruction.name in ("FROM", "ARG", "WORKDIR"), instruction
    project = tmp_path / "project"
    project.mkdir()
    done = subprocess.run(
        [
            *(target / "bin" / "quinoa", "train", "--env=control:cartpole:swingup", "--steps=400"),
            *("--num_actors=1", "--evaluation_episodes=1", "--folder=run", "--set=batch_size=8"),
            *("--set=hidden_sizes=8", "--set=min_replay_size=200"),
        ],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Return of the final policy: " in done.stdout
