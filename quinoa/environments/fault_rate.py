"""Decides when too many episodes have failed."""

from __future__ import annotations

import collections

from quinoa.environments.errors import EnvironmentFault, TooManyFaultsError

# At most MAX_FAULTS of the last WINDOW episodes may fail. At the start of a run, too, only the
# number counts and not the share: an environment that always fails soon exceeds it.
WINDOW = 100
MAX_FAULTS = WINDOW // 10


class FaultRate:
    """Counts the failed episodes among the last `WINDOW`."""

    def __init__(self) -> None:
        self._recent: collections.deque[bool] = collections.deque(maxlen=WINDOW)

    def add_ended(self, count: int) -> None:
        """Counts episodes that have ended properly."""
        self._recent.extend([False] * count)

    def add_fault(self, fault: EnvironmentFault) -> None:
        """Counts an episode that has failed.

        Raises:
            TooManyFaultsError: too many have failed.
        """
        self._recent.append(True)
        count = sum(self._recent)
        if count > MAX_FAULTS:
            raise TooManyFaultsError(
                f"{count} of the last {len(self._recent)} episodes had to be dropped, and more "
                f"than {MAX_FAULTS} in {WINDOW} are too many. The latest: {fault}",
                fault.kind,
            ) from fault
