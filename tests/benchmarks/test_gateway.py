"""The benchmark's own work, in small, through gateways that run. No side may do nothing."""

import pytest

from benchmarks import gateway, replay_server
from benchmarks.setting import TASK, config_of
from quinoa.launch.run.roles import Role


@pytest.fixture
def addresses(monkeypatch):
    monkeypatch.setattr(gateway, "_SECONDS", 0.1)
    monkeypatch.setattr(gateway, "_ROUNDS", 2)
    monkeypatch.setattr(gateway, "_RAW_BYTES", 10_000_000)
    services = {
        Role.REPLAY: replay_server.serve(
            TASK, "iq", config_of("iq").segment_length, num_transitions=5000
        ),
        Role.LEARNER: gateway.serve_parameters(),
        Role.COUNTER: gateway.serve_bytes(),
    }
    direct = {role: next(service) for role, service in services.items()}
    with gateway.through_gateways(direct, ()) as (carried, processes):
        assert len(processes) == 2
        yield {"direct": direct, "carried": carried}


def test_what_is_carried_takes_turns_with_what_is_direct(addresses):
    for function in (gateway.raw, gateway.insert, gateway.sample):
        carried, direct = function(**addresses)
        assert len(carried) == len(direct) == 2
    carried, direct, *percentiles = gateway.call(**addresses)
    for each in (carried, direct, *percentiles):
        assert len(each) == 2
    for median, slow in zip(percentiles[0], percentiles[2], strict=True):
        assert 0.0 < median <= slow
