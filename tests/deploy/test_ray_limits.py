"""The settings with which the recipes start Ray, beside those of a run."""

from __future__ import annotations

import pytest

from quinoa.launch.engines.settings import RaySettings
from tests.deploy import ray_limits


@pytest.mark.parametrize("file", ray_limits.FILES, ids=lambda file: file.name)
def test_all_recipes_have_the_same_settings(file):
    assert ray_limits.of_file(file) == ray_limits.of_recipes()
    assert len(ray_limits.of_recipes()) == 5


def test_ray_gives_a_host_up_after_its_processes_have_ended_and_when_the_supervisor_does():
    """Otherwise two of one process run, or those that start elsewhere wait for a place."""
    least, most = ray_limits.seconds(ray_limits.of_recipes())
    run = RaySettings()
    assert run.lease_s < least < run.host_timeout_s < most < 1.3 * run.host_timeout_s


def test_ray_waits_for_a_dead_host_longer_than_a_short_cut_and_less_than_the_supervisor():
    """As docs/cluster.md has it, a link that is cut for 12 s costs nothing."""
    waits = ray_limits.of_recipes()["grpc_client_keepalive_timeout_ms"] / 1000
    assert 12 < waits < RaySettings().lease_s


def test_the_page_says_how_long_that_is():
    least, most = ray_limits.seconds(ray_limits.of_recipes())
    page = " ".join(ray_limits.FILES[-1].read_text("utf-8").split())
    assert f"after {least:.0f} to {most:.0f} seconds" in page
    assert f"default of {RaySettings().host_timeout_s:.0f} seconds" in page
    lease = RaySettings().lease_s / RaySettings().host_timeout_s
    assert f"takes {lease:.1f} of `--host_timeout`" in page
