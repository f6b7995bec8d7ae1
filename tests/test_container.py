"""The Dockerfile, as far as it can be held without a daemon to build it."""

from __future__ import annotations

import fnmatch
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import NamedTuple

import portpicker
import pytest

from tests.deploy.manifests import pods, rayjob
from tests.launch.helpers import wait_until

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


def test_the_image_for_a_gpu_shows_where_the_libraries_of_its_packages_are():
    """As scripts/with_cuda.sh does. The package of nvcc has no libraries, but files for XLA."""
    values: dict[str, str] = {}
    for each in stages()["gpu"]:
        if each.name == "ENV":
            for word in each.words():
                name, _, value = word.partition("=")
                values[name] = re.sub(r"\$(\w+)", lambda match: values[match[1]], value)
    pins = re.findall(r"^nvidia-([\w-]+)-cu11==", (ROOT / "requirements-gpu.txt").read_text(), re.M)
    installed = "/opt/quinoa/lib/python3.10/site-packages/nvidia"
    names = {pin.replace("-", "_") for pin in pins}
    shown = set(values["LD_LIBRARY_PATH"].split(":"))
    assert shown == {f"{installed}/{name}/lib" for name in names - {"cuda_nvcc"}}
    assert "cuda_nvcc" in names
    assert values["XLA_FLAGS"] == f"--xla_gpu_cuda_data_dir={installed}/cuda_nvcc"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_steps_that_build_it_work_and_what_they_make_trains(tmp_path):
    target, environment = build(tmp_path, {"DEVICE": "cpu"})
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


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_the_steps_make_for_a_cluster_is_a_host_that_answers_probes_and_takes_jobs(tmp_path):
    """By the commands with which KubeRay starts a head, and submits a job to it."""
    target, environment = build(tmp_path, {"DEVICE": "cpu", "RAY": "1"})
    (probe,) = {pod.container["livenessProbe"]["httpGet"]["path"] for pod in pods().values()}
    version = rayjob()["spec"]["rayClusterSpec"]["rayVersion"]
    environment |= {
        "PATH": f"{target}/bin:{environment['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(),
        "RAY_TMPDIR": tempfile.mkdtemp(prefix="q-", dir="/tmp"),
    }
    ports = [portpicker.pick_unused_port() for _ in range(5)]
    flags = [
        *(f"--port={ports[0]}", f"--dashboard-port={ports[1]}"),
        *(f"--dashboard-agent-listen-port={ports[2]}", f"--metrics-export-port={ports[3]}"),
        *(f"--ray-client-server-port={ports[4]}", "--num-cpus=1"),
        *(f"--{name}={value}" for name, value in pods()["head"].start.items()),
    ]

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True
        )

    assert run("ray --version").stdout.strip().endswith(version)
    head = subprocess.Popen(
        ["ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", *flags],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert wait_until(lambda: answers(f"http://127.0.0.1:{ports[2]}{probe}"))
        dashboard = f"http://127.0.0.1:{ports[1]}"
        assert wait_until(lambda: answers(f"{dashboard}/api/gcs_healthz"))
        submit = f"ray job submit --address={dashboard} -- quinoa list"
        submitted = run(submit)
        assert submitted.returncode == 0, submitted.stdout + submitted.stderr
        assert "control:cartpole:swingup" in submitted.stdout
        environment["RAY_AUTH_TOKEN"] = secrets.token_hex()
        assert run(submit).returncode != 0
    finally:
        head.terminate()
        head.wait(60)
        shutil.rmtree(environment["RAY_TMPDIR"], ignore_errors=True)


def answers(url: str) -> bool:
    """Whether there is a page at an address."""
    try:
        with urllib.request.urlopen(url, timeout=5) as page:
            return bool(page.status == 200)
    except OSError:
        return False


def build(folder: Path, arguments: dict[str, str]) -> tuple[Path, dict[str, str]]:
    """Does what the first stage does, in a folder of ours in place of the image's own.

    Args:
        folder: an empty folder.
        arguments: the arguments of the build.

    Returns:
        What is /opt/quinoa in the image, and the environment variables.
    """
    work, target = folder / "build", folder / "opt"
    work.mkdir()
    python = Path(sys.base_prefix) / "bin"
    environment = {"PATH": f"{python}:{os.environ['PATH']}", "HOME": str(folder), **arguments}
    environment |= {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    for instruction in stages()["build"]:
        if instruction.name == "COPY":
            *sources, destination = instruction.words()
            for source in sources:
                name = source.split("/")[-1]
                into = destination in ("./", ".") or destination.endswith("/")
                to = work / destination / name if into else work / destination
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
    return target, environment
