"""Presets: named sets of flags and settings of `quinoa train`.

This folder has a file `SUITE.toml` per suite, with a table per preset, which is named `SUITE/NAME`
on the command line. A user's own file has the same form; its presets are named `./FILE.toml:NAME`,
and `about` and `origin` may be left out:

    [NAME]
    about = "what it is, in a line"
    origin = "paper", "measured" or "untried" (see `ORIGINS`)
    recommended = true # in a suite's file: it is for the whole suite; or ["gym:Ant-*"], for these
    agent = ...        # and other flags of `quinoa train` that `FLAGS` names
    [NAME.set]
    tau = 0.01         # fields of the agent's configuration, as by --set
    [NAME.env_set]
    size = 42          # keyword arguments of the environment, as by --env_set
"""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from quinoa import paths
from quinoa.launch.errors import ExperimentError
from quinoa.suggestions import did_you_mean

# The flags that a preset may set, beside the agent's settings: what is learned, for how long, and
# how it is evaluated. The number of processes depends on the machine instead.
FLAGS = (
    "agent",
    "env",
    "steps",
    "action_repeat",
    "max_episode_steps",
    "actor_episode_steps",
    "evaluation_episodes",
    "evaluation_sample",
)

# The origins of presets, with what is printed about them.
ORIGINS = {
    "paper": "the paper's, not measured here",
    "measured": "ours, measured: docs/results.md",
    "untried": "ours, not measured",
}

# The tables within a preset's.
_TABLES = ("set", "env_set")

_FOLDER = Path(__file__).parent
_OWN_FILE = re.compile(r"(?P<path>.+\.toml)(?::(?P<name>.*))?")


class Preset(NamedTuple):
    """One preset.

    Attributes:
        name: `SUITE/NAME`, or `/PATH/FILE.toml:NAME` for a user's own.
        about: one line about it; may be empty for a user's own.
        origin: a key of `ORIGINS`; may be empty for a user's own.
        flags: the values of flags of `quinoa train` as text, by name; the names are among `FLAGS`,
            and agent and env are always there.
        settings: the values of the agent's settings as text, by name.
        env_kwargs: the environment's keyword arguments; see `env_kwargs_for`.
        recommended_for: patterns of the environments whose preset it is where no agent is named,
            such as `gym:Ant-*`. Of several that match, the longest counts.
    """

    name: str
    about: str
    origin: str
    flags: Mapping[str, str]
    settings: Mapping[str, str]
    env_kwargs: Mapping[str, Any]
    recommended_for: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """Its `about` and origin in one line."""
        origin = ORIGINS[self.origin] if self.origin else "your own"
        about = f"{self.about} ({origin})" if self.about else origin
        if not self.recommended_for:
            return about
        whole = self.recommended_for == (f"{_suite(self.flags['env'])}:*",)
        return (
            f"{about}; recommended for {'its suite' if whole else ', '.join(self.recommended_for)}"
        )

    def env_kwargs_for(self, environment: str) -> Mapping[str, Any]:
        """The keyword arguments for an environment of its suite; none for others.

        Other suites have other arguments. A user may name another task than the preset's, and
        cannot take an argument back.
        """
        return self.env_kwargs if _suite(environment) == _suite(self.flags["env"]) else {}


def every() -> list[Preset]:
    """Lists the built-in presets by suite, in the order of their files."""
    return list(_by_name().values())


def without_agent(name: str | None, environment: str | None) -> Preset | None:
    """The preset that is trained where no agent is named.

    Args:
        name: of the preset that was asked for, if one was.
        environment: of the environment that was asked for, such as `control:walker:run`, if one
            was. Without a preset's name, the one that is recommended for it is meant.

    Raises:
        ExperimentError: see `load`.
    """
    if name is not None:
        return load(name)
    return None if environment is None else recommended(environment)


def recommended(environment: str) -> Preset | None:
    """The preset that is recommended for an environment, by the longest pattern; None without."""
    matching = {
        pattern: preset
        for preset in every()
        for pattern in preset.recommended_for
        if fnmatch.fnmatchcase(environment, pattern)
    }
    return matching[max(matching, key=len)] if matching else None


def _suite(environment: str) -> str:
    return environment.partition(":")[0]


def is_name(name: str) -> bool:
    """Whether a name has the form of a preset's and not of an agent's."""
    return _OWN_FILE.fullmatch(name) is not None or name.partition("/")[0] in {
        path.stem for path in _FOLDER.glob("*.toml")
    }


def own_file(name: str) -> Path | None:
    """The user's file that a preset's name refers to; None for a built-in preset."""
    own = _OWN_FILE.fullmatch(name)
    return None if own is None else Path(paths.absolute(own["path"]))


def load(name: str) -> Preset:
    """Loads a preset.

    Args:
        name: `SUITE/NAME`, `FILE.toml:NAME`, or `FILE.toml` if that has a single preset.

    Raises:
        ExperimentError: there is no such preset (the message suggests similar names), or its file
            has an error.
    """
    if (own := _OWN_FILE.fullmatch(name)) is not None:
        return _chosen(Path(paths.absolute(own["path"])), own["name"])
    known = _by_name()
    if name not in known:
        hint = did_you_mean(name, known) or f" The presets are {', '.join(known)}."
        raise ExperimentError(f"There is no preset {name!r}.{hint}")
    return known[name]


@functools.lru_cache(maxsize=1)
def _by_name() -> dict[str, Preset]:
    import tomli

    presets = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        for name, table in tomli.loads(path.read_text(encoding="utf-8")).items():
            preset = _preset(f"{path.stem}/{name}", dict(table))
            presets[preset.name] = preset
    return presets


def in_file(path: Path) -> list[Preset]:
    """Reads all presets of a user's file, in its order.

    Raises:
        ExperimentError: the file cannot be read, or a table is not a preset.
    """
    import tomli

    try:
        # Windows begins it with a mark, which is no TOML.
        tables = tomli.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ExperimentError(f"The presets in {path} cannot be read: {why}.") from error
    if not tables:
        raise ExperimentError(f"{path} holds no preset: it needs a table [NAME] for each.")
    for name, table in tables.items():
        _check(f"{path}:{name}", name, table)
    return [_preset(f"{path}:{name}", dict(table)) for name, table in tables.items()]


def _chosen(path: Path, name: str | None) -> Preset:
    by_name = {preset.name.rpartition(":")[2]: preset for preset in in_file(path)}
    if name is None and len(by_name) == 1:
        return next(iter(by_name.values()))
    contents = f"{path} holds {', '.join(by_name)}"
    if name is None:
        raise ExperimentError(f"{contents}: say which is meant, --preset={path}:NAME.")
    if name not in by_name:
        raise ExperimentError(
            f"There is no preset {name!r}: {contents}.{did_you_mean(name, by_name)}"
        )
    return by_name[name]


def _check(full_name: str, name: str, table: Any) -> None:
    """Checks a table of a user's file; raises `ExperimentError`."""
    if not isinstance(table, dict):
        raise ExperimentError(
            f"{full_name} stands outside of any preset: put it into a table [NAME]."
        )
    known = ("about", "origin", *_TABLES, *FLAGS)
    for key, value in table.items():
        if key not in known:
            near = did_you_mean(key, known) or f" It may have {', '.join(known)}."
            raise ExperimentError(
                f"The preset {full_name} has {key!r}, which none has.{near} Settings of the agent "
                f"go into [{name}.set], arguments of the environment into [{name}.env_set]."
            )
        if key not in _TABLES and not isinstance(value, (str, int, float)):
            raise ExperimentError(f"The preset {full_name}: {key} must be one value.")
    if (origin := table.get("origin")) is not None and origin not in ORIGINS:
        raise ExperimentError(
            f"The preset {full_name}: origin must be one of {', '.join(ORIGINS)}, or left out."
        )
    for key in ("agent", "env"):
        if key not in table:
            raise ExperimentError(f"The preset {full_name} lacks {key} = ...")
    for key in _TABLES:
        if not isinstance(table.get(key, {}), dict):
            raise ExperimentError(f"The preset {full_name}: {key} must be a table [{name}.{key}].")
    for key, value in table.get("env_set", {}).items():
        if not _is_json(value):
            raise ExperimentError(
                f"The preset {full_name}: {key} = {value!r} cannot be stored as JSON, as what a "
                "run records must be."
            )
    for key, value in table.get("set", {}).items():
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, (str, int, float)) for part in parts):
            raise ExperimentError(f"The preset {full_name}: {key} = {value!r} is no setting.")


def _preset(name: str, table: dict[str, Any]) -> Preset:
    about, origin = table.pop("about", ""), table.pop("origin", "")
    patterns = table.pop("recommended", [])
    settings = {field: as_text(value) for field, value in table.pop("set", {}).items()}
    env_kwargs = table.pop("env_set", {})
    flags = {flag: as_text(table[flag]) for flag in table}
    if isinstance(patterns, bool):
        patterns = [f"{_suite(flags['env'])}:*"] if patterns else []
    return Preset(name, about, origin, flags, settings, env_kwargs, tuple(patterns))


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def as_text(value: Any) -> str:
    """A value of a TOML file as text for the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
