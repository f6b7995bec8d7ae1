"""What an algorithm says of itself that learns from demonstrations alone: no actor, no environment.

Such an agent is a module, as `quinoa.agents.protocol` describes it, whose

* `Config` derives from `DemonstrationConfig`;
* `Agent` derives from `DemonstrationAgent`, and is its own learner.

The launcher calls nothing of it but what this file declares. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import abc
import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from quinoa.agents.config import DemonstrationConfig

if TYPE_CHECKING:
    from quinoa.irl.prediction import RouteModel

# Among the arrays of a checkpoint: whose it is, as JSON.
_IDENTITY = "identity"


class DemonstrationsError(ValueError):
    """The demonstrations cannot be read, or nothing can be learned from them."""


class OtherCheckpointError(RuntimeError):
    """A checkpoint is not one of this agent, with these settings and demonstrations."""


class DemonstrationAgent(abc.ABC):
    """An algorithm, its demonstrations and what it has learned from them.

    Attributes:
        Config: the class of its settings.
        steps: gradient steps done.
        measures: the names of the metrics that `evaluate` gives.
    """

    Config: ClassVar[type[DemonstrationConfig]]
    measures: Sequence[str] = ()

    def __init__(self, config: Any, demonstrations: str, seed: int) -> None:
        """Subclasses load the demonstrations here, and check all that can be checked.

        Args:
            config: an instance of the class's `Config`.
            demonstrations: what they are called: a file, or a name of the algorithm's own.
            seed: of everything random.

        Raises:
            DemonstrationsError: they cannot be loaded, or nothing can be learned from them.
        """
        self.config = config
        self.demonstrations = demonstrations
        self.seed = seed
        self.steps = 0

    def check_settings(self) -> None:  # noqa: B027
        """Checks what a run is to learn with; one that has a checkpoint is read as it is.

        Raises:
            DemonstrationsError: a setting would change nothing, or cannot work with another.
        """

    @abc.abstractmethod
    def described(self) -> str:
        """What the demonstrations are, in a line."""

    @property
    @abc.abstractmethod
    def is_over(self) -> bool:
        """Whether there is nothing more to learn, so that the run ends before its last step."""

    @abc.abstractmethod
    def gradient_step(self, before_each: Callable[[], object]) -> Mapping[str, float | None]:
        """Does one gradient step, which may take long.

        Args:
            before_each: to be called every few seconds at least; it may raise to end the step,
                which must then leave all as it was.

        Returns:
            Metrics, the same names at each step, with `log_likelihood` among them: the mean over
            the demonstrations that it learns from. None where one has no value.

        Raises:
            DemonstrationsError: it cannot go on.
        """

    def evaluate(self, before_each: Callable[[], object]) -> Mapping[str, float | None]:
        """Compares what has been learned with demonstrations that nothing was learned from.

        Args:
            before_each: see `gradient_step`.

        Returns:
            Metrics, of the names in `measures`.
        """
        del before_each
        return {}

    def route_model(self) -> RouteModel | None:
        """What predicts routes, where it has learned from routes in a graph; else None."""
        return None

    @property
    @abc.abstractmethod
    def weights(self) -> npt.NDArray[np.float64]:
        """What has been learned, float64 [P]."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A text that is the same for the same demonstrations alone."""

    @abc.abstractmethod
    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """All that learning continues from, as arrays of numbers, by name."""

    @abc.abstractmethod
    def take_state(self, state: Mapping[str, npt.NDArray[Any]]) -> str | None:
        """Takes over what `state` gave, in an agent that has learned nothing yet.

        Returns:
            None where learning continues bit for bit; else a sentence on what is different.

        Raises:
            KeyError, ValueError: it is no such state.
        """

    # What the launcher saves and restores.

    @property
    def num_bytes(self) -> int:
        """The size of what `save` writes, about."""
        return sum(array.nbytes for array in self.state().values())

    def not_finite(self) -> list[str]:
        """Names what has NaN or an infinity in it."""
        return [] if np.all(np.isfinite(self.weights)) else ["the weights"]

    def evaluation_parameters(self) -> npt.NDArray[np.float64]:
        """The weights: all that predictions need."""
        return self.weights

    def save(self, path: str) -> str:
        """Writes the state to the file `path`.npz, and returns `path`, for `restore`.

        Raises:
            OSError: it cannot be written.
        """
        arrays = {name: np.asarray(value) for name, value in self.state().items()}
        arrays[_IDENTITY] = np.array(json.dumps(self._identity()))
        arrays["steps"] = np.array(self.steps)
        with _file(path).open("wb") as file:
            np.savez(file, **arrays)
        return path

    def restore(self, path: str) -> str | None:
        """Reads what `save` wrote, in an agent that has learned nothing yet.

        Returns:
            See `take_state`.

        Raises:
            OtherCheckpointError: there is no such file, or it is another agent's, or of other
                settings or demonstrations.
        """
        try:
            content = _file(path).read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            there = dict(json.loads(str(arrays.pop(_IDENTITY))))
            steps = int(arrays.pop("steps"))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise OtherCheckpointError(
                f"There is no whole checkpoint at {path}; take another one. ({error})"
            ) from error
        here = json.loads(json.dumps(self._identity()))
        different = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        if different == ["demonstrations"]:
            raise OtherCheckpointError(
                f"The demonstrations {self.demonstrations} are not those that {path} was learned "
                "from: they have changed since. Put the old ones back, or start another run."
            )
        if different:
            name = different[0]
            raise OtherCheckpointError(
                f"The checkpoint at {path} was written with {name} = {there.get(name)!r}, which is "
                f"{here.get(name)!r} here."
            )
        try:
            note = self.take_state(arrays)
        except (KeyError, ValueError) as error:
            raise OtherCheckpointError(
                f"The checkpoint at {path} is from another version of this agent: {error}"
            ) from error
        self.steps = steps
        return note

    def _identity(self) -> dict[str, Any]:
        return {
            "agent": f"{type(self).__module__}.{type(self).__qualname__}",
            "demonstrations": self.fingerprint(),
            "seed": self.seed,
            **{f"setting {name}": it for name, it in dataclasses.asdict(self.config).items()},
        }


def _file(path: str | os.PathLike[str]) -> Path:
    return Path(f"{path}.npz")
