"""The Kubernetes recipe: against the published schemas, and its files against one another."""

from __future__ import annotations

import copy
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from quinoa.launch.commands.options import train_flags
from quinoa.launch.commands.running.new_experiment import make_experiment
from quinoa.launch.engines.ray import placement
from quinoa.launch.run.roles import Role
from tests.deploy import manifests

MANIFESTS = dict(manifests.named())
PODS = manifests.pods()


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_manifest_is_what_its_published_schema_says(name):
    assert manifests.faults(MANIFESTS[name]) == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("RayJob", "spec.backofLimit", 3),
        ("RayJob", "spec.backoffLimit", "3"),
        ("RayJob", "spec.rayClusterSpec.authOptions.mode", "tokens"),
        ("RayJob", "spec.rayClusterSpec.workerGroupSpecs.0.groupNames", "a"),
        ("RayJob", "spec.rayClusterSpec.workerGroupSpecs.0.template.spec.container", []),
        ("RayJob", "spec.rayClusterSpec.headGroupSpec.template.metadata.label", {}),
        ("RayJob", "spec.rayClusterSpec.headGroupSpec.template.spec.containers.0.ports", 1),
        ("NetworkPolicy", "spec.ingress.0.ports", [{"protocol": "TCP", "number": 1}]),
        ("PodDisruptionBudget", "spec.minAvailabel", 1),
        ("PersistentVolumeClaim", "spec.accessModes", "ReadWriteMany"),
        ("ConfigMap", "data.train.sh", {}),
    ],
)
def test_the_schemas_find_what_is_wrong(kind, path, value):
    """A field that does not exist, and a value of the wrong kind, at any depth."""
    manifest = copy.deepcopy(manifests.all_of(kind)[0])
    *above, last = path.split(".", 1) if kind == "ConfigMap" else path.split(".")
    place = manifest
    for step in above:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    assert manifests.faults(manifest)


def test_every_host_is_of_the_run_and_only_the_run_reaches_it():
    (policy,) = manifests.all_of("NetworkPolicy")
    spec = policy["spec"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    for pod in PODS.values():
        assert manifests.selects(spec["podSelector"], pod.labels)
    open_to_all = []
    for rule in spec["ingress"]:
        for peer in rule["from"]:
            if "namespaceSelector" not in peer and "ports" not in rule:
                open_to_all.append(peer["podSelector"])
            else:
                assert [port["port"] for port in rule["ports"]] == [8265]
                assert peer["podSelector"]["matchLabels"]
    assert open_to_all == [spec["podSelector"]]
    # Nor does the run reach anything but itself and the names' server.
    (inside, names) = spec["egress"]
    assert inside == {"to": [{"podSelector": spec["podSelector"]}]}
    assert {port["port"] for port in names["ports"]} == {53}


def test_the_pod_that_submits_the_job_is_let_in():
    """By the labels that KubeRay gives it."""
    (policy,) = manifests.all_of("NetworkPolicy")
    labels = {
        "ray.io/originated-from-crd": "RayJob",
        "ray.io/originated-from-cr-name": manifests.rayjob()["metadata"]["name"],
    }
    peers = [peer for rule in policy["spec"]["ingress"] for peer in rule["from"]]
    assert any(
        manifests.selects(peer["podSelector"], labels)
        for peer in peers
        if "namespaceSelector" not in peer
    )


def test_each_kind_of_host_has_a_budget_of_disruptions_that_can_be_kept():
    budgets = manifests.all_of("PodDisruptionBudget")
    for pod in PODS.values():
        (budget,) = [
            each["spec"]
            for each in budgets
            if manifests.selects(each["spec"]["selector"], pod.labels)
        ]
        # Of pods whose owner has no scale, only a number of those that stay works.
        assert set(budget) == {"minAvailable", "selector"}
        assert isinstance(budget["minAvailable"], int)
        least = 1 if pod.replicas == 1 else pod.replicas - 1
        assert budget["minAvailable"] == least
    assert len(budgets) == len(PODS)


def test_a_run_is_tried_again_and_asks_for_a_token():
    spec = manifests.rayjob()["spec"]
    assert spec["backoffLimit"] >= 1 and spec["shutdownAfterJobFinishes"]
    assert spec["rayClusterSpec"]["authOptions"] == {"mode": "token"}


@pytest.mark.parametrize("component", PODS)
def test_a_host_may_end_in_order_and_is_nobody_in_particular(component):
    pod = PODS[component].template["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 90
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    container = PODS[component].container
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    # As the image has it; the volume's files belong to it.
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 1000


@pytest.mark.parametrize("component", PODS)
def test_a_host_is_probed_where_ray_answers(component):
    container = PODS[component].container
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[name]["httpGet"] == {"path": "/api/healthz", "port": 52365}
    # One that is busy for a while is not started again for that.
    patience = container["livenessProbe"]["periodSeconds"]
    assert patience * container["livenessProbe"]["failureThreshold"] >= 60


@pytest.mark.parametrize("component", PODS)
def test_what_a_host_mounts_exists(component):
    pod = PODS[component]
    volumes = {volume["name"]: volume for volume in pod.template["spec"]["volumes"]}
    for mount in pod.container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            made = manifests.all_of("ConfigMap")
            assert volume["configMap"]["name"] in [each["metadata"]["name"] for each in made]
        else:
            (claim,) = manifests.all_of("PersistentVolumeClaim")
            assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
            # Hosts on several machines write to it.
            assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_only_the_learners_host_has_a_gpu_and_all_have_one_image():
    with_gpu = [
        name
        for name, pod in PODS.items()
        if "nvidia.com/gpu" in pod.container["resources"]["limits"]
    ]
    assert with_gpu == ["learner"]
    assert {pod.container["image"] for pod in PODS.values()} == {"quinoa:ray"}


def written(name: str, root: Path) -> tuple[Path, Path]:
    """Writes a script of the job; returns its file, and what is /runs to it."""
    (scripts,) = (each["data"] for each in manifests.all_of("ConfigMap"))
    folder = root / "runs"
    folder.mkdir()
    assert "/runs/quinoa" in scripts[name]
    file = root / name
    file.write_text(scripts[name].replace("/runs/", f"{folder}/"))
    return file, folder


@pytest.fixture
def start(tmp_path):
    """Runs train.sh with a `quinoa` that says what it was asked for."""
    file, folder = written("train.sh", tmp_path)
    command = tmp_path / "bin" / "quinoa"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n')
    command.chmod(0o755)

    def started(*flags: str) -> tuple[Path, int, list[str]]:
        done = subprocess.run(
            ["sh", file, *flags],
            env={"PATH": f"{command.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )
        assert not done.stderr
        return folder / "quinoa", done.returncode, done.stdout.splitlines()

    return started


def test_the_script_starts_a_run_and_passes_on_its_status(start):
    run, status, words = start("--env=a b", "--steps=3")
    assert status == 3
    assert words[0] == "train" and "--engine=ray" in words
    assert words[-3:] == [f"--folder={run}", "--env=a b", "--steps=3"]


def test_the_script_resumes_a_run_with_its_replay_and_its_own_settings(start):
    run, *_ = start()
    run.mkdir()
    (run / "experiment.json").write_text("{}")
    (run / "result.json").write_text('{\n  "outcome": "failed"\n}\n')
    _, status, words = start("--env=a", "--steps=3")
    assert status == 3 and words[-2:] == [f"--resume={run}", "--resume_replay"]


def test_the_script_begins_anew_where_a_start_was_cut_short(start):
    run, *_ = start()
    (run / "checkpoints").mkdir(parents=True)
    _, _, words = start("--steps=3")
    assert not run.exists() and f"--folder={run}" in words


def test_the_script_has_nothing_to_do_where_the_run_is_finished(start):
    from quinoa.launch.run.result import Outcome, RunResult
    from quinoa.launch.run.run_folder import RunFolder
    from quinoa.launch.storage.files import write_json

    run, *_ = start()
    run.mkdir()
    (run / "experiment.json").write_text("{}")
    write_json(RunFolder(run).result, RunResult(Outcome.FINISHED).to_json())
    _, status, words = start("--steps=3")
    assert status == 0 and words == [f"{run} is finished: choose another name for another run."]


def test_the_job_starts_the_run_by_the_script_that_is_mounted():
    words = shlex.split(manifests.rayjob()["spec"]["entrypoint"])
    mounts = {each["name"]: each["mountPath"] for each in PODS["head"].container["volumeMounts"]}
    assert words[:2] == ["sh", f"{mounts['script']}/train.sh"]


def test_what_the_script_asks_for_exists_and_its_hosts_have_the_cores_for_it(start):
    """By the parser of `quinoa train`, and by what the engine sets aside for each process."""
    _, *flags = shlex.split(manifests.rayjob()["spec"]["entrypoint"])[1:]
    run, _, (command, *words) = start(*flags)
    assert command == "train"
    values = train_flags.define()
    values(["quinoa", *words])
    assert values.engine == "ray" and values.folder == str(run)
    experiment = make_experiment(values, {})
    (run / "checkpoints").mkdir(parents=True)
    (run / "experiment.json").touch()
    again = train_flags.define()
    again(["quinoa", *start(*flags)[2][1:]])
    assert again.resume == str(run) and again.resume_replay

    def cores(*roles: Role) -> float:
        each = (
            placement.needs(role, experiment, actor_cpus=values.actor_cpus, has_gpus=True)
            for role in roles
        )
        return sum(needs["CPU"] for needs in each)

    there = {
        name: pod.replicas * float(pod.container["resources"]["requests"]["cpu"])
        for name, pod in PODS.items()
    }
    assert cores(*placement.TOGETHER) <= there["learner"]
    acting = cores(Role.EVALUATOR) + experiment.num_actors * cores(Role.ACTOR)
    assert acting == there["actors"]


@pytest.mark.parametrize("component", PODS)
def test_a_host_waits_for_the_run_to_end_for_less_than_it_has(component):
    pod = PODS[component]
    command = pod.container["lifecycle"]["preStop"]["exec"]["command"]
    mounts = {each["name"]: each["mountPath"] for each in pod.container["volumeMounts"]}
    assert command == ["sh", f"{mounts['script']}/wait.sh"]
    (scripts,) = (each["data"] for each in manifests.all_of("ConfigMap"))
    (seconds,) = re.findall(r"seq (\d+)", scripts["wait.sh"])
    # A run ends within 60 s, and Ray within 30.
    assert 60 < int(seconds) <= pod.template["spec"]["terminationGracePeriodSeconds"] - 30


def test_a_host_ends_at_once_when_the_run_has_and_waits_for_it_before(tmp_path):
    file, folder = written("wait.sh", tmp_path)
    # No run has begun.
    subprocess.run(["sh", file], check=True, timeout=10)
    run = folder / "quinoa"
    run.mkdir()
    (run / "experiment.json").touch()
    waiting = subprocess.Popen(["sh", file])
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
        (run / "result.json").touch()
        assert waiting.wait(10) == 0
    finally:
        waiting.kill()
