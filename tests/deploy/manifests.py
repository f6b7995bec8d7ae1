"""What deploy/kubernetes holds, as Kubernetes would read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import yaml

from tests.launch.helpers import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
_SCHEMAS = Path(__file__).parent / "schemas"

Manifest = dict[str, Any]


class Pod(NamedTuple):
    """A kind of host of the run, as its template says it.

    Attributes:
        component: what it is for, by its label.
        replicas: how many there are.
        template: the template of its pods.
        start: the flags of `ray start`.
    """

    component: str
    replicas: int
    template: Manifest
    start: Mapping[str, str]

    @property
    def container(self) -> Manifest:
        """Its only container."""
        (container,) = self.template["spec"]["containers"]
        return dict(container)

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return dict(self.template["metadata"]["labels"])


def all_of(kind: str) -> list[Manifest]:
    """The manifests of a kind."""
    return [each for _, each in named() if each["kind"] == kind]


def named() -> Iterator[tuple[str, Manifest]]:
    """Every manifest, with what a test calls it."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text("utf-8")):
            yield f"{file.name}-{each['kind']}-{each['metadata']['name']}", each


def faults(manifest: Manifest) -> list[str]:
    """What the schema of its kind has against a manifest."""
    schema = json.loads((_SCHEMAS / f"{manifest['kind']}.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]


def rayjob() -> Manifest:
    """The job."""
    (job,) = all_of("RayJob")
    return job


def pods() -> dict[str, Pod]:
    """The hosts of the run, by their component; the first is the head."""
    cluster = rayjob()["spec"]["rayClusterSpec"]
    groups = [{**cluster["headGroupSpec"], "replicas": 1}, *cluster["workerGroupSpecs"]]
    found = [
        Pod(
            group["template"]["metadata"]["labels"]["app.kubernetes.io/component"],
            group["replicas"],
            group["template"],
            group["rayStartParams"],
        )
        for group in groups
    ]
    return {pod.component: pod for pod in found}


def selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels, by `matchLabels` alone, takes what has these."""
    assert set(selector) == {"matchLabels"}
    return bool(selector["matchLabels"].items() <= labels.items())
