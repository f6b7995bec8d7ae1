"""The policy's parameters on their way from the learner to the actors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from quinoa.agents.parameter_vector import fingerprint

FloatArray = npt.NDArray[np.float32]
Get = Callable[[int], "tuple[int, FloatArray] | None"]

# How long `close` waits for a call that is under way, and how often `wait_for_first` looks.
_CLOSE_S = 1.0
_WAIT_S = 0.05


class ParametersUnavailableError(RuntimeError):
    """The learner has not answered for longer than is tolerated."""


class PublishedParameters:
    """The newest parameters, for all threads that ask for them; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: tuple[int, FloatArray] | None = None
        self._fingerprint = 0

    @property
    def fingerprint(self) -> int:
        """Of the newest parameters, see `parameter_vector.fingerprint`; 0 before the first."""
        return self._fingerprint

    def publish(self, version: int, parameters: FloatArray) -> None:
        """Replaces the parameters.

        Args:
            version: the number of gradient steps that made them.
            parameters: float32 [P], as `quinoa.agents.parameter_vector.flatten` gives them; copied.
        """
        newest = version, np.array(parameters, np.float32)
        newest[1].setflags(write=False)
        with self._changed:
            self._newest = newest
            self._fingerprint = fingerprint(newest[1])
            self._changed.notify_all()

    def get(self, known_version: int, wait_s: float = 0.0) -> tuple[int, FloatArray] | None:
        """Returns (version, parameters), or None if there are none but those of `known_version`.

        Any other version is news, a lower one too: a learner that was restarted from a checkpoint
        is behind what its actors had last.

        Args:
            known_version: what the caller has.
            wait_s: seconds for which news are waited for, where there are none.
        """

        def news() -> tuple[int, FloatArray] | None:
            newest = self._newest
            return None if newest is None or newest[0] == known_version else newest

        with self._changed:
            return self._changed.wait_for(news, wait_s) if wait_s else news()


class ParameterClient:
    """Keeps a policy up to date from a thread of its own, so that acting never waits."""

    def __init__(
        self,
        get: Get,
        assign: Callable[[FloatArray], None],
        *,
        period_s: float = 0.25,
        tolerance_s: float = 60.0,
    ) -> None:
        """Starts to poll.

        Args:
            get: takes the version known and returns a newer one with its parameters, float32 [P],
                or None if there is none. Called from the background thread.
            assign: gives the policy new parameters; `update` calls it. It raises `ValueError` if
                they do not fit the policy.
            period_s: the pause between two calls, in seconds.
            tolerance_s: for how long `get` may fail at every call, in seconds.
        """
        self._get = get
        self._assign = assign
        self._period_s = period_s
        self._tolerance_s = tolerance_s
        self._version = -1
        self._parameters = np.empty(0, np.float32)
        self._changed = threading.Condition()
        self._newest: tuple[int, FloatArray] | None = None
        self._failure: tuple[str, Exception] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="parameters", daemon=True)
        self._thread.start()

    @property
    def version(self) -> int:
        """The learner's step whose parameters the policy has; -1 before the first ones."""
        return self._version

    @property
    def fingerprint(self) -> int:
        """Of the parameters that `update` has assigned last; see `parameter_vector.fingerprint`."""
        return fingerprint(self._parameters)

    def update(self) -> bool:
        """Gives the policy the newest parameters that have come; never waits.

        Returns:
            Whether there were new ones.

        Raises:
            ParametersUnavailableError: `get` has been failing for longer than `tolerance_s`.
            ValueError: the parameters do not fit the policy.
        """
        with self._changed:
            newest, self._newest = self._newest, None
            failure = self._failure
        if newest is not None:
            self._assign(newest[1])
            self._version, self._parameters = newest
        if failure is not None:
            raise ParametersUnavailableError(failure[0]) from failure[1]
        return newest is not None

    def wait(self, timeout_s: float) -> None:
        """Waits until `update` has parameters to give or an error to raise."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._failure, timeout_s)

    def wait_for_first(self, should_stop: Callable[[], bool] | None = None) -> bool:
        """Waits until the policy has had parameters from the learner.

        Args:
            should_stop: asked every 0.05 s; ends the wait when it is true.

        Returns:
            Whether it has; False if `should_stop` or `close` ended the wait.

        Raises:
            ParametersUnavailableError: as in `update`.
            ValueError: likewise.
        """
        while self._version < 0 and not self.update():
            if should_stop is not None and should_stop():
                return False
            if self._closed.wait(_WAIT_S):
                return False
        return True

    def close(self) -> None:
        """Stops polling; waits a second at most for a call that is under way."""
        self._closed.set()
        self._thread.join(_CLOSE_S)

    def _poll(self) -> None:
        known_version = -1
        num_failures = 0
        last_success = time.monotonic()
        while not self._closed.is_set():
            try:
                newest = self._get(known_version)
                if newest is not None:
                    version, parameters = newest
                    with self._changed:
                        self._newest = version, parameters
                        self._changed.notify()
                    known_version = version
            except Exception as error:
                num_failures += 1
                failing_s = time.monotonic() - last_success
                if failing_s >= self._tolerance_s:
                    message = (
                        f"No parameters from the learner for {failing_s:.0f} s: "
                        f"{num_failures} calls in a row failed, the last one with "
                        f"{type(error).__name__}: {error}"
                    )
                    with self._changed:
                        self._failure = message, error
                        self._changed.notify()
                    return
            else:
                num_failures = 0
                last_success = time.monotonic()
            self._closed.wait(self._period_s)
