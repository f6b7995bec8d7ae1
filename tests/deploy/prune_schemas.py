"""Makes tests/deploy/schemas from what KubeRay and Kubernetes publish, much smaller than that.

    python -m tests.deploy.prune_schemas RAYJOBS_CRD.yaml KUBERNETES_FOLDER

The first is ray-operator/config/crd/bases/ray.io_rayjobs.yaml of a release of
https://github.com/ray-project/kuberay, the second a folder like v1.37.0-local-strict of the package
kubernetes-validate, whose schemas allow no fields but those they name. Descriptions go, and what
occurs more than once becomes a definition.
"""

from __future__ import annotations

import collections
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parent / "schemas"
KINDS = {
    "ConfigMap": "configmap-v1.json",
    "NetworkPolicy": "networkpolicy-networking-v1.json",
    "PersistentVolumeClaim": "persistentvolumeclaim-v1.json",
    "PodDisruptionBudget": "poddisruptionbudget-policy-v1.json",
}
# Characters of a part of a schema that is worth a definition of its own.
_WORTH = 300


def main() -> None:
    crd, folder = map(Path, sys.argv[1:])
    (version,) = [
        each
        for each in yaml.load(crd.read_text("utf-8"), yaml.CSafeLoader)["spec"]["versions"]
        if each["name"] == "v1"
    ]
    _write("RayJob", _shared(_strict(_without_descriptions(version["schema"]["openAPIV3Schema"]))))
    known = _read(folder / "_definitions.json")["$defs"]
    for kind, file in KINDS.items():
        schema = _read(folder / file)
        del schema["$id"]
        used: dict[str, Any] = {}
        waiting = list(_references(schema))
        while waiting:
            if (name := waiting.pop()) not in used:
                used[name] = known[name]
                waiting += _references(known[name])
        _write(kind, {**schema, "$defs": used})


def _read(file: Path) -> Any:
    """A schema, with references within its own file only."""
    text = file.read_text("utf-8").replace('"/api/_definitions.json#/', '"#/')
    return _without_descriptions(json.loads(text))


def _write(kind: str, schema: dict[str, Any]) -> None:
    text = json.dumps(schema, indent=1, sort_keys=True)
    (SCHEMAS / f"{kind}.json").write_text(text + "\n", "utf-8")


def _without_descriptions(part: Any, *, names: bool = False) -> Any:
    """A schema without its texts; `names` where the keys are those of properties."""
    if isinstance(part, dict):
        return {
            key: _without_descriptions(value, names=key in ("properties", "$defs") and not names)
            for key, value in part.items()
            if names or key != "description"
        }
    return [_without_descriptions(each) for each in part] if isinstance(part, list) else part


def _strict(part: Any) -> Any:
    """A schema whose objects take no fields but those they name, as `kubectl` has it."""
    if isinstance(part, list):
        return [_strict(each) for each in part]
    if not isinstance(part, dict):
        return part
    part = {key: _strict(value) for key, value in part.items()}
    has_fields = isinstance(part.get("properties"), dict) and part.get("type") == "object"
    if has_fields and not part.get("x-kubernetes-preserve-unknown-fields"):
        part.setdefault("additionalProperties", False)
    return part


def _shared(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, with a definition for each large part that occurs more than once."""
    count: collections.Counter[str] = collections.Counter()

    def look(part: Any) -> None:
        if isinstance(part, dict):
            count[json.dumps(part, sort_keys=True)] += 1
        for each in part.values() if isinstance(part, dict) else part:
            if isinstance(each, dict | list):
                look(each)

    look(schema)
    definitions: dict[str, Any] = {}
    names: dict[str, str] = {}

    def replaced(part: Any, hint: str, *, whole: bool = False) -> Any:
        if isinstance(part, list):
            return [replaced(each, hint) for each in part]
        if not isinstance(part, dict):
            return part
        text = json.dumps(part, sort_keys=True)
        if not whole and "type" in part and count[text] > 1 and len(text) > _WORTH:
            if text not in names:
                names[text] = f"{hint}{len(names)}"
                definitions[names[text]] = replaced(part, hint, whole=True)
            return {"$ref": f"#/$defs/{names[text]}"}
        return {
            key: replaced(value, hint if key in ("items", "properties") else key)
            for key, value in part.items()
        }

    return {**replaced(schema, "", whole=True), "$defs": definitions}


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].rpartition("/")[2]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for each in part:
            yield from _references(each)


if __name__ == "__main__":
    main()
