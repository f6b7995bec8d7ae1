"""The folder of a paper's figure: that of its sweep, with the figure and its tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from quinoa.launch.errors import ExperimentError
from quinoa.launch.storage import saved_json
from quinoa.launch.storage.files import write_json
from quinoa.launch.sweep.paper_figures import SCALES, Figure
from quinoa.launch.sweep.sweep_folder import SweepFolder


@dataclasses.dataclass(frozen=True)
class FigureFolder:
    """The folder of one figure at one scale.

    Attributes:
        root: the folder's path.
        figure: the figure.
    """

    root: Path
    figure: Figure

    @property
    def sweep(self) -> SweepFolder:
        """The sweep of its runs, which is the same folder."""
        return SweepFolder(self.root)

    @property
    def description(self) -> Path:
        """Which figure it is of, and at which scale."""
        return self.root / "figure.json"

    @property
    def picture(self) -> Path:
        """The figure."""
        return self.root / f"{self.figure.name}.png"

    @property
    def table(self) -> Path:
        """The numbers that the figure shows."""
        return self.root / f"{self.figure.name}.csv"

    @property
    def claims(self) -> Path:
        """Of a figure with claims, whether each holds of the runs."""
        return self.root / f"{self.figure.name}-claims.csv"

    @property
    def baseline(self) -> Path:
        """Of a normalized figure, the scores that are 100 % and 0 % in each environment."""
        return self.root / "baseline.csv"

    def set_scale(self, scale: str) -> None:
        """Records the figure and its scale.

        Raises:
            OSError: the file cannot be written.
        """
        write_json(self.description, {"figure": self.figure.name, "scale": scale})

    def scale(self) -> str | None:
        """The scale of the runs that are planned there; None if none are.

        Raises:
            ExperimentError: the folder holds something else.
            RunError: its description is damaged.
        """
        fields = saved_json.read_object(self.description)
        if fields is None:
            if self.root.is_dir() and any(self.root.iterdir()):
                raise ExperimentError(
                    f"{self.root} is not empty, and holds no figure: give another --folder."
                )
            return None
        with saved_json.parsing_file(self.description):
            name, scale = str(fields["figure"]), str(fields["scale"])
            if scale not in SCALES:
                raise ValueError(f"there is no scale {scale!r}")
        if name != self.figure.name:
            raise ExperimentError(
                f"{self.root} holds the figure {name}, not {self.figure.name}: give another "
                "--folder."
            )
        return scale
