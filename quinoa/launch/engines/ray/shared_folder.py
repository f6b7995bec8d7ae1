"""Whether the hosts of a cluster have the same folder, as those with a common file system do."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

_ANSWER_S = 30.0


@contextlib.contextmanager
def marked(folder: Path) -> Iterator[str]:
    """Puts a file into a folder while the context lasts; yields its name.

    Raises:
        OSError: the folder cannot be written.
    """
    mark = folder / f".cluster-{secrets.token_hex(8)}"
    mark.touch()
    try:
        yield mark.name
    finally:
        mark.unlink(missing_ok=True)


def is_everywhere(folder: Path, mark: str) -> bool:
    """Whether every host of the cluster that this process is connected to has a marked folder.

    Args:
        folder: an absolute path.
        mark: see `marked`.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def has_folder() -> bool:
        return (folder / mark).is_file()

    remote = ray.remote(has_folder)
    asked = [
        remote.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        ).remote()
        for node in ray.nodes()
        if node["Alive"]
    ]
    try:
        return all(ray.get(asked, timeout=_ANSWER_S))
    # A host that does not answer in time, or does not have these modules.
    except ray.exceptions.RayError:
        return False
