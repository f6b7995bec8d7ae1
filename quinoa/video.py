"""Videos of a trained policy, as a notebook shows them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quinoa.launch.errors import ExperimentError, RunError

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource
    from quinoa.launch.run.run_folder import RunFolder


class Video:
    """A video of a policy; a notebook that is given one shows it.

    Attributes:
        paths: of its files, in the formats asked for.
    """

    def __init__(self, paths: Sequence[Path]):
        """Takes the files."""
        self.paths = list(paths)

    @classmethod
    def film(
        cls, folder: RunFolder, environment: EnvironmentSource | None, flags: Sequence[str]
    ) -> Video:
        """Films a run's policy in a process of its own, which chooses the renderer.

        Args:
            folder: of the run.
            environment: what was given as the environment, where the run does not keep that.
            flags: of `quinoa video`.

        Raises:
            ExperimentError, RunError: see `Run.video`.
        """
        from quinoa.launch.commands import video
        from quinoa.launch.machine.child_process import ChildError, ChildProcess

        try:
            hosted = ChildProcess(video.hosted, str(folder.root), flags, environment, draws=True)
        except TypeError as error:
            raise ExperimentError(
                f"The environment cannot be sent to the process that films ({error}): give one by "
                "its name, quinoa.load(RUN, env='file.py:factory')."
            ) from error
        try:
            while not hosted.is_over:
                hosted.read(1.0)
            paths = hosted.value()
        except ChildError as error:
            raise RunError(str(error)) from None
        finally:
            if not hosted.is_over:
                hosted.kill()
        return cls([Path(path) for path in paths])

    def _repr_html_(self) -> str:
        path = self.paths[0]
        data = base64.b64encode(path.read_bytes()).decode()
        if path.suffix == ".gif":
            return f'<img src="data:image/gif;base64,{data}">'
        return f'<video controls loop src="data:video/mp4;base64,{data}"></video>'

    def __repr__(self) -> str:
        """The files."""
        return f"<Video: {', '.join(map(str, self.paths))}>"
