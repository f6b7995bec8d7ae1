"""The names of datasets: `minari:ID`, `minari:FOLDER`, `run:RUN`.

`run:RUN` is what `quinoa record RUN` has recorded, and not episodes that are played when they are
asked for: a run that resumes then learns from what it has learned from before.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

# The folder of a run that `quinoa record` writes to by default. Minari's ids end in a version.
RECORDING = "demonstrations-v0"

_MINARI, _RUN = "minari", "run"


class DatasetError(Exception):
    """A dataset that cannot be learned from, or not be written: one sentence for users."""


def require_minari() -> None:
    """Raises `DatasetError` where Minari is not installed; does not import it."""
    if importlib.util.find_spec("minari") is None:
        raise DatasetError(
            "Demonstrations need the package minari, which is not installed: "
            "pip install 'path/to/quinoa[minari]'"
        )


def absolute(name: str) -> str:
    """The form of a dataset's name that is stored: folders by their absolute paths.

    Raises:
        DatasetError: it is the name of no kind of dataset.
    """
    kind, rest = _parts(name)
    path = Path(rest).expanduser()
    if kind == _RUN or _is_path(rest):
        return f"{kind}:{path.absolute()}"
    return name


def folder(name: str) -> Path:
    """The folder of a dataset, which has the folder `data` of Minari's files.

    Raises:
        DatasetError: it is the name of no kind of dataset, or there is none there.
    """
    kind, rest = _parts(name)
    if kind == _RUN:
        run = Path(rest).expanduser()
        found = run / RECORDING
        if not _is_dataset(found):
            raise DatasetError(
                f"{name}: nothing is recorded of this run yet. quinoa record {run} does that."
            )
        return found
    if _is_path(rest):
        found = Path(rest).expanduser()
        if not _is_dataset(found):
            raise DatasetError(
                f"{name}: {found} holds no dataset of Minari, which has a file data/metadata.json."
            )
        return found
    require_minari()
    from minari.storage.datasets_root_dir import get_dataset_path

    found = Path(get_dataset_path(rest))
    if not _is_dataset(found):
        raise DatasetError(
            f"{name}: there is no dataset {rest} in {get_dataset_path()}. minari download {rest} "
            "fetches it, where Minari's server has it; a folder is given by its path."
        )
    return found


def _parts(name: str) -> tuple[str, str]:
    kind, colon, rest = name.partition(":")
    if kind not in (_MINARI, _RUN) or not colon or not rest:
        raise DatasetError(
            f"{name!r} is the name of no dataset: it must be run:RUN, the folder of a run that "
            "quinoa record has recorded, minari:FOLDER or minari:ID."
        )
    return kind, rest


def _is_path(text: str) -> bool:
    """Whether what follows `minari:` is a folder, or looks like the path of one, and is no id."""
    path = Path(text).expanduser()
    return path.is_dir() or path.is_absolute() or text.startswith(("./", "../"))


def _is_dataset(path: Path) -> bool:
    return (path / "data" / "metadata.json").is_file()
