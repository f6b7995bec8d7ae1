"""Where the services of a run listen."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Mapping
from typing import Protocol

from quinoa.launch.run.roles import Role

# Seconds from one question where a service is to the next, by one that uses it.
_ASK_S = 5.0


class Addresses(Protocol):
    """Tells the nodes of a run where its services listen; each engine has one of its own.

    A service asks for its own address, to know on which port to listen. A node that calls a service
    asks when it makes a connection, and again after each failure, as a service that was started
    again may be at another address. This object is pickled into the nodes' processes, and any
    thread of theirs may call it.
    """

    def address_of(self, role: Role) -> str:
        """The address of a role's service at present, as `host:port`.

        Raises:
            LookupError: no such service has an address.
            OSError: that cannot be found out now.
        """


@dataclasses.dataclass(frozen=True)
class FixedAddresses:
    """Addresses that stay as they are for the whole of a run.

    Attributes:
        by_role: the address of each service, as `host:port`.
    """

    by_role: Mapping[Role, str]

    def address_of(self, role: Role) -> str:
        """See `Addresses`."""
        return self.by_role[role]


@dataclasses.dataclass(frozen=True)
class AddressesFor:
    """The addresses that some node may ask for: those of the services that it is said to call.

    Attributes:
        all_addresses: of the run.
        allowed: the roles whose services the node calls; see `topology.KINDS`.
    """

    all_addresses: Addresses
    allowed: Collection[Role]

    def address_of(self, role: Role) -> str:
        """See `Addresses`; raises `LookupError` for any other role too."""
        if role not in self.allowed:
            raise LookupError(f"This node is not known to call the {role}: see `topology.KINDS`.")
        return self.all_addresses.address_of(role)


class MoveWatch:
    """Whether a service is still where a connection to it was made; asked at most every 5 s."""

    def __init__(self, addresses: Addresses, role: Role, address: str):
        """Asks nothing yet.

        Args:
            addresses: of the run.
            role: whose service it is.
            address: where the connection was made to.
        """
        self._addresses = addresses
        self._role = role
        self._address = address
        self._next_look = time.monotonic() + _ASK_S
        self._moved_to: str | None = None

    @property
    def moved_to(self) -> str | None:
        """Where the service is now; None if that is where it was, or cannot be found out."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _ASK_S
            try:
                address = self._addresses.address_of(self._role)
            except (LookupError, OSError):
                return self._moved_to
            self._moved_to = None if address == self._address else address
        return self._moved_to
