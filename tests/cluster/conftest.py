"""Everything here needs hosts, and is left out, with the reason, where there can be none."""

from __future__ import annotations

import importlib.util

import pytest

from tests.cluster import hosts as bare_hosts
from tests.cluster.hosts import Hosts
from tests.cluster.ray_hosts import RayHosts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder, for pytest hands over those of others too."""
    for item in items:
        if "tests/cluster/" in item.path.as_posix():
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session", autouse=True)
def _needs_hosts():
    reason = bare_hosts.why_not()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def hosts():
    """Two hosts without anything on them."""
    with Hosts(2, disk_mb=64) as made:
        yield made


@pytest.fixture(scope="session")
def _needs_ray():
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed here: run `make test-cluster`")


@pytest.fixture(scope="module")
def cluster(_needs_ray):
    """Three hosts with Ray."""
    with RayHosts(3) as made:
        yield made
