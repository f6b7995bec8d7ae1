"""Settings of `quinoa train` that belong together, by name: a file a suite, in this folder.

A file `SUITE.toml` holds a table a preset, `SUITE/NAME` on the command line:

    [NAME]
    about = "what it is, in a line"
    origin = "paper", "measured" or "untried" (see `ORIGINS`)
    agent = ...        # and other flags of `quinoa train` that `FLAGS` names
    [NAME.set]
    tau = 0.01         # fields of the agent's configuration, as by --set
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from quinoa.launch.errors import ExperimentError
from quinoa.suggestions import did_you_mean

# What a preset may say beside the agent's settings: what is learned, for how long and how it is
# evaluated. How many processes there are is the machine's affair.
FLAGS = (
    "agent",
    "env",
    "steps",
    "action_repeat",
    "max_episode_steps",
    "evaluation_episodes",
    "evaluation_sample",
)

# Where a preset comes from, and what is said of it.
ORIGINS = {
    "paper": "the paper's, not measured here",
    "measured": "ours, measured: docs/results.md",
    "untried": "ours, not measured",
}

_FOLDER = Path(__file__).parent


class Preset(NamedTuple):
    """One preset.

    Attributes:
        name: `SUITE/NAME`.
        about: one line about it.
        origin: a key of `ORIGINS`.
        flags: texts for flags of `quinoa train`, by their names, which are among `FLAGS`; always
            an agent and an environment.
        settings: texts for fields of the agent's configuration, by their names.
    """

    name: str
    about: str
    origin: str
    flags: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def description(self) -> str:
        """What it is and where it comes from, in one line."""
        return f"{self.about} ({ORIGINS[self.origin]})"


def every() -> list[Preset]:
    """All presets, suite by suite, in their files' order."""
    return list(_by_name().values())


def load(name: str) -> Preset:
    """The preset of this name.

    Raises:
        ExperimentError: there is none, with the names nearest to it.
    """
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


def _preset(name: str, table: dict[str, Any]) -> Preset:
    about, origin = table.pop("about"), table.pop("origin")
    settings = {field: _text(value) for field, value in table.pop("set", {}).items()}
    return Preset(name, about, origin, {flag: _text(table[flag]) for flag in table}, settings)


def _text(value: Any) -> str:
    """A value as one would type it on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
