"""Keeps a copy of a run's folder elsewhere, where `--copy_to` asks for it, and brings it back.

Where that is, fsspec knows: another folder, an object store, another machine. A thread of the main
process copies what has changed, so the run never waits for it, even when that fails. A run whose
machine and disk are lost is resumed from the copy (`--resume=URL`).
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import posixpath
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.terminal.output import say
from quinoa.launch.terminal.progress_bar import ProgressBar
from quinoa.launch.watch.background import beside

# Seconds from the end of one look at the folder to the next, and that the run's end waits for the
# last of it: a full replay is 160 MB.
_PERIOD_S = 10.0
_CLOSE_S = 600.0
# Seconds after a run's end for which the last of it is tried again.
_LAST_TRIES_S = 60.0
# What only the machine that has made it has a use for.
_LEFT_OUT = frozenset({"logs", "tensorboard", "videos", "wandb", "processes.json"})
# What is removed from the folder while a run lasts.
_REPLACED = frozenset({"checkpoints", "replay"})
# What of these is the run's.
_OF_CHECKPOINT = re.compile(r"(checkpoints|replay)/\d+(\.damaged)?/")


class _Place(NamedTuple):
    """Where a copy is.

    Attributes:
        files: the file system, of fsspec.
        path: the folder's path in that, without a slash at its end.
        url: what the user calls it.
    """

    files: Any
    path: str
    url: str

    def of(self, name: str) -> str:
        return posixpath.join(self.path, name)


def is_url(text: str) -> bool:
    """Whether a text names a place that is no folder of this machine."""
    return "://" in text


def absolute(url: str) -> str:
    """The name of a copy's place that means the same from any current folder.

    Raises:
        ExperimentError: there is no such kind of place.
    """
    place = _place(url, "--copy_to")
    return place.path if _is_local(place) else url


def check(url: str, *, resumed: str | None = None) -> None:
    """Finds out whether a copy can be kept somewhere, where nothing else is lost by it.

    Args:
        url: of the copy.
        resumed: the folder or the copy of the run that is resumed, whose copy there may be; None
            for a new run.

    Raises:
        ExperimentError: it cannot; the message says what to do.
    """
    place = _place(url, "--copy_to")
    try:
        described = _description(place)
        if described is not None and (
            resumed is None or described != _description(_place(resumed, "--resume"))
        ):
            raise ExperimentError(
                f"--copy_to={url} has the copy of {'another' if resumed else 'a'} run: give this "
                f"one a place of its own, or continue that one with --resume={url}."
            )
        if described is None:
            for name in sorted(_REPLACED):
                if place.files.exists(place.of(name)):
                    raise ExperimentError(
                        f"--copy_to={url} has {name} of something else, where the run's would be: "
                        "give a place of its own."
                    )
        place.files.makedirs(place.path, exist_ok=True)
        probe = place.of(".quinoa")
        place.files.pipe_file(probe, b"")
        place.files.rm_file(probe)
    except ExperimentError:
        raise
    # What the library of a store raises is its own affair.
    except Exception as error:
        raise ExperimentError(f"--copy_to={url} cannot be written: {_first_line(error)}") from error


@contextlib.contextmanager
def copied(folder: RunFolder, url: str | None) -> Iterator[None]:
    """Copies a run's folder to a place for as long as the context lasts, and at its end.

    Whatever fails of it costs notes, and nothing else.

    Args:
        folder: of the run, which may be a resumed one.
        url: where to; None does nothing.
    """
    if url is None:
        yield
        return
    with beside(
        functools.partial(_copy_until, folder, url),
        "copy",
        close_s=_CLOSE_S,
        on_late=lambda: _note(
            url, f"it has not taken everything within {_CLOSE_S:.0f} s of the run's end"
        ),
    ):
        yield


def restore(url: str, folder: RunFolder) -> None:
    """Brings a copy back into a new folder.

    Args:
        url: of the copy.
        folder: where to, which must be new or empty. It appears whole or not at all.

    Raises:
        ExperimentError: the folder holds something, or cannot be written.
        RunError: there is no copy of a run.
    """
    place = _place(url, "--resume")
    try:
        if not place.files.exists(place.of("experiment.json")):
            raise RunError(f"There is no run at {url}: it holds no experiment.json.")
        names = [posixpath.relpath(path, place.path) for path in place.files.find(place.path)]
        for name in names:
            if ".." in name.split("/"):
                raise RunError(f"{url} has a file that would go elsewhere: {name}.")
        # Whether it can be made; it then comes whole, or not at all.
        folder.create()
        folder.remove_if_unused()
        partial = RunFolder(folder.root.with_name(f".{folder.root.name}.{os.getpid()}.tmp"))
        try:
            partial.create()
            with ProgressBar(len(names), f"files of {url}") as progress:
                for name in names:
                    target = partial.root / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    place.files.get_file(place.of(name), str(target))
                    progress.advance(1)
            os.replace(partial.root, folder.root)
        # Ctrl-C too.
        except BaseException:
            shutil.rmtree(partial.root, ignore_errors=True)
            raise
    except (ExperimentError, RunError):
        raise
    except Exception as error:
        raise RunError(f"The run at {url} cannot be fetched: {_first_line(error)}") from error


def _description(place: _Place) -> tuple[Any, ...] | None:
    """What tells the run in a place from others: when it began, and what; None without a run."""
    if not place.files.exists(place.of("experiment.json")):
        return None
    described = place.files.cat_file(place.of("experiment.json"))
    try:
        fields = json.loads(described)
        experiment = fields["experiment"]
        return fields.get("time"), *(experiment[name] for name in ("agent", "environment", "seed"))
    except (LookupError, TypeError, ValueError):
        return (described,)


def _place(url: str, flag: str) -> _Place:
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(url)
    # ImportError: the library of this kind of store; ValueError: there is no such kind.
    except (ImportError, ValueError) as error:
        raise ExperimentError(f"{flag}={url} cannot be used: {_first_line(error)}") from error
    return _Place(files, path.rstrip("/"), url)


def _copy_until(folder: RunFolder, url: str, done: threading.Event) -> None:
    copy: _Copy | None = None
    said = ""
    over_since: float | None = None
    while True:
        if over_since is None:
            if done.wait(_PERIOD_S):
                over_since = time.monotonic()
        else:
            # The last of it has failed, and there is no run that waits.
            time.sleep(_PERIOD_S)
        try:
            copy = copy or _Copy(folder, _place(url, "--copy_to"))
            copy.update()
            said = ""
            if over_since is not None:
                return
        except Exception as error:
            # Once for each trouble; the next look tries again.
            if (text := f"{type(error).__name__}: {_first_line(error)}") != said:
                _note(url, text)
                said = text
            if over_since is not None and time.monotonic() - over_since > _LAST_TRIES_S:
                return


class _Copy:
    """What has been copied of a run's folder."""

    def __init__(self, folder: RunFolder, place: _Place):
        """Looks what is there already."""
        self._root = folder.root
        self._place = place
        self._is_local = _is_local(place)
        self._versions: dict[str, tuple[int, int] | None] = {}
        if place.files.exists(place.path):
            self._versions = {
                posixpath.relpath(path, place.path): None for path in place.files.find(place.path)
            }

    def update(self) -> None:
        """Copies what has changed, then removes what the folder has not any more."""
        found = dict(self._found())
        failed: Exception | None = None
        for name, version in found.items():
            if self._versions.get(name) == version:
                continue
            # It may be removed meanwhile, as an old checkpoint is.
            try:
                self._put(name)
                self._versions[name] = version
            except FileNotFoundError:
                pass
            except Exception as error:
                # What can be copied is: of the others, the first is raised.
                failed = failed or error
        if failed is not None:
            raise failed
        for name in [name for name in self._versions if name not in found]:
            if _OF_CHECKPOINT.match(name):
                with contextlib.suppress(FileNotFoundError):
                    self._place.files.rm_file(self._place.of(name))
                del self._versions[name]

    def _found(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Names and versions of files; first those of checkpoints, without which the rest is none.

        What is being written has a name that begins with a dot until it is whole.
        """
        names: list[str] = []
        for parent, folders, files in os.walk(self._root):
            is_top = Path(parent) == self._root
            for entries in (folders, files):
                entries[:] = sorted(
                    entry
                    for entry in entries
                    if not entry.startswith(".") and not (is_top and entry in _LEFT_OUT)
                )
            names += [Path(parent, file).relative_to(self._root).as_posix() for file in files]
        for name in sorted(names, key=lambda name: name.partition("/")[0] not in _REPLACED):
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(self._root / name)
                yield name, (status.st_mtime_ns, status.st_size)

    def _put(self, name: str) -> None:
        files, target = self._place.files, self._place.of(name)
        files.makedirs(posixpath.dirname(target), exist_ok=True)
        source = str(self._root / name)
        if not self._is_local:
            # Stores have a file when it is whole.
            files.put_file(source, target)
            return
        partial = posixpath.join(posixpath.dirname(target), f".{posixpath.basename(target)}.tmp")
        files.put_file(source, partial)
        os.replace(partial, target)


def _is_local(place: _Place) -> bool:
    found = place.files.protocol
    return "file" in ((found,) if isinstance(found, str) else tuple(found))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _note(url: str, text: str) -> None:
    say(f"quinoa: note: the copy at {url} is behind ({text}).", sys.stderr)
