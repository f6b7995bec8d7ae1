"""How many faults among the episodes are too many to go on with."""

from __future__ import annotations

import collections

from quinoa.environments.errors import EnvironmentFault, TooManyFaultsError

# Of so many episodes, the latest ones, so many may come to grief. Fewer at the beginning are not
# too many either, whatever their share: an environment that fails always is soon at the limit.
WINDOW = 100
MAX_FAULTS = WINDOW // 10


class FaultRate:
    """Counts the faults among the latest episodes."""

    def __init__(self) -> None:
        self._recent: collections.deque[bool] = collections.deque(maxlen=WINDOW)

    def ended(self, count: int) -> None:
        """Counts episodes that have ended as they should."""
        self._recent.extend([False] * count)

    def faulted(self, fault: EnvironmentFault) -> None:
        """Counts an episode that came to grief.

        Raises:
            TooManyFaultsError: it is one too many.
        """
        self._recent.append(True)
        count = sum(self._recent)
        if count > MAX_FAULTS:
            raise TooManyFaultsError(
                f"{count} of the last {len(self._recent)} episodes had to be dropped, and more "
                f"than {MAX_FAULTS} in {WINDOW} are too many. The latest: {fault}",
                fault.kind,
            ) from fault
