from __future__ import annotations

import pickle
import time

import pytest

from quinoa.launch.nodes.addresses import AddressesFor, FixedAddresses, MoveWatch
from quinoa.launch.run.roles import Role


class MovingAddresses:
    """Addresses that a test changes."""

    def __init__(self, **addresses: str):
        self.now = {Role(role): address for role, address in addresses.items()}
        self.is_reachable = True

    def address_of(self, role: Role) -> str:
        if not self.is_reachable:
            raise OSError("nobody knows")
        return self.now[role]


def test_those_of_one_machine_stay_in_every_process():
    addresses = FixedAddresses({Role.COUNTER: "localhost:1"})
    assert pickle.loads(pickle.dumps(addresses)).address_of(Role.COUNTER) == "localhost:1"
    with pytest.raises(LookupError):
        addresses.address_of(Role.REPLAY)


def test_a_node_is_told_of_those_only_that_it_is_said_to_call():
    mine = AddressesFor(MovingAddresses(counter="a:1", replay="b:2"), (Role.COUNTER,))
    assert mine.address_of(Role.COUNTER) == "a:1"
    with pytest.raises(LookupError, match="not known to call the replay"):
        mine.address_of(Role.REPLAY)


def test_a_move_is_noticed_within_seconds_and_not_asked_for_all_the_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    addresses = MovingAddresses(replay="a:1")
    watch = MoveWatch(addresses, Role.REPLAY, "a:1")
    addresses.now[Role.REPLAY] = "b:2"
    assert watch.moved_to is None
    # Where it is cannot be found out: it has not moved, for all that is known.
    now[0] += 5.0
    addresses.is_reachable = False
    assert watch.moved_to is None
    addresses.is_reachable = True
    now[0] += 4.0
    assert watch.moved_to is None
    now[0] += 1.0
    assert watch.moved_to == "b:2"
    # And back again.
    addresses.now[Role.REPLAY] = "a:1"
    now[0] += 5.0
    assert watch.moved_to is None
