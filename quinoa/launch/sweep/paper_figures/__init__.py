"""The papers' figures, declared as data: which runs each takes, and what is drawn of them.

This folder has a file `PAPER.toml` per paper, with a table per figure:

    [NAME]
    about = "what it shows, in a line"
    source = "of which paper, and its number there"
    kind = one of `KINDS`
    lines = [{ label = ..., preset = ..., agent = ..., set = { ... } }, ...]
    core_steps = 5_000           # what a core does in a second, to estimate the time: steps,
    core_transitions = 70_000    # and transitions that are learned from
    pretraining = [{ label = ..., agent = ..., environment = ..., set = { ... } }, ...]
    [NAME.train]                 # flags of `quinoa train` for all its runs
    [NAME.scales.small]          # likewise medium and paper
    environments = [...]
    seeds = 3
    steps = 500_000
    train = { ... }              # further flags of `quinoa train`

and the fields of `Figure` that its kind has besides; and what the paper says of the lines:

    claims = [{ text = ..., line = LABEL, relation = one of `RELATIONS`, other = LABEL }, ...]
    # and, of one that is of some tasks alone, patterns: environments = ["control:hopper:*"]
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch import presets
from quinoa.launch.errors import ExperimentError
from quinoa.suggestions import did_you_mean

# From what two cores do in a night to what the paper did.
SCALES = ("small", "medium", "paper")
# What is drawn of a figure's runs, over their seeds:
# - normalized: mean and median over tasks of scores in % of one line's, along training, with
#   bootstrap intervals;
# - by_setting: the mean final return by the value of a setting, with bootstrap intervals;
# - curves: the median return along training, with the least and the greatest;
# - best: the same of the greatest return of an actor's episode so far;
# - metrics: the same of metrics of the learner;
# - policy: actions of one run's policy in several states;
# - plane: trajectories of each line's first run in a plane, and its Q and actions in some places.
KINDS = ("normalized", "by_setting", "curves", "best", "metrics", "policy", "plane")

# What a paper says of one line beside another; `claims.verdict` says when each holds.
RELATIONS = ("better", "worse", "at least", "alike")

_FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Line:
    """What one line of a figure is trained with.

    Attributes:
        label: its name in the figure.
        preset: the preset of `quinoa train`; empty for none.
        agent: the agent's name; empty for the preset's.
        settings: further settings of the agent as text, by name.
        environment: of a line of pre-training, where it learns; of others empty, as they learn in
            the scale's environments.
        init_from: the label of the line of pre-training whose networks it begins with, from the run
            of the same seed; empty for none.
    """

    label: str
    preset: str = ""
    agent: str = ""
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    environment: str = ""
    init_from: str = ""

    @property
    def agent_name(self) -> str:
        """The name of its agent."""
        return self.agent or presets.load(self.preset).flags["agent"]

    def flags(self) -> tuple[str, ...]:
        """Its flags of `quinoa train`."""
        named = (("preset", self.preset), ("agent", self.agent))
        return (
            *(f"--{name}={value}" for name, value in named if value),
            *(f"--set={name}={value}" for name, value in self.settings.items()),
        )


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a paper says of one line beside another.

    Attributes:
        text: the claim in words.
        line: the label of the line of which it says something.
        relation: one of `RELATIONS`.
        other: the label of the line beside which it is said.
        environments: patterns (`fnmatch`) of the environments of which it is said.
    """

    text: str
    line: str
    relation: str
    other: str
    environments: tuple[str, ...] = ("*",)

    def is_of(self, environment: str) -> bool:
        """Whether it says something of that environment."""
        return any(fnmatch.fnmatchcase(environment, pattern) for pattern in self.environments)


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the runs of a figure are.

    Attributes:
        environments: the names of the environments.
        seeds: how many seeds each line has in each environment.
        steps: the actor steps of a run.
        train: further flags of `quinoa train` as text, by name.
        pretraining_steps: the actor steps of a run of pre-training.
    """

    environments: tuple[str, ...]
    seeds: int
    steps: int
    train: Mapping[str, str]
    pretraining_steps: int = 0


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of a paper.

    Attributes:
        name: its name on the command line.
        about: what it shows, in a line.
        source: the paper, and the figure's number there.
        kind: one of `KINDS`.
        lines: its lines; a policy's figure has one.
        pretraining: lines that are trained first, and are not drawn.
        train: flags of `quinoa train` for all runs as text, by name.
        scales: by the names in `SCALES`.
        core_steps: environment steps that a core does in a second.
        core_transitions: transitions that a core learns from in a second.
        baseline: of a normalized figure, the label of the line whose final score is 100 %.
        setting: of a figure by setting, the setting's name, which each line has among its own.
        states: of a policy's figure, the steps of an episode after which actions are drawn.
        actions: of a policy's figure, how many actions are drawn in each state.
        metrics: of a figure of metrics, their names.
        points: of a figure in a plane, the observations in which Q is drawn.
        episodes: of a figure in a plane, how many trajectories are drawn.
        claims: of curves, what the paper says of the lines; whether it holds becomes a table.
    """

    name: str
    about: str
    source: str
    kind: str
    lines: tuple[Line, ...]
    train: Mapping[str, str]
    scales: Mapping[str, Scale]
    core_steps: float
    core_transitions: float
    pretraining: tuple[Line, ...] = ()
    baseline: str = ""
    setting: str = ""
    states: tuple[int, ...] = ()
    actions: int = 1000
    metrics: tuple[str, ...] = ()
    points: tuple[tuple[float, ...], ...] = ()
    episodes: int = 100
    claims: tuple[Claim, ...] = ()


def every() -> list[Figure]:
    """Lists the figures by paper, in the order of their files."""
    return list(_by_name().values())


def load(name: str) -> Figure:
    """Loads a figure.

    Raises:
        ExperimentError: there is no such figure; the message names the similar ones, or all.
    """
    known = _by_name()
    if name not in known:
        hint = did_you_mean(name, known) or f" The figures are {', '.join(known)}."
        raise ExperimentError(f"There is no figure {name!r}.{hint}")
    return known[name]


@functools.lru_cache(maxsize=1)
def _by_name() -> dict[str, Figure]:
    import tomli

    return {
        name: figure_of(name, table)
        for path in sorted(_FOLDER.glob("*.toml"))
        for name, table in tomli.loads(path.read_text(encoding="utf-8")).items()
    }


def figure_of(name: str, table: Mapping[str, Any]) -> Figure:
    """Makes a figure from its table in a file.

    Raises:
        LookupError, TypeError: a field is missing, or there is none of that name.
    """
    fields = dict(table)
    return Figure(
        name=name,
        lines=tuple(_line(**line) for line in fields.pop("lines")),
        train=_texts(fields.pop("train")),
        scales={scale: _scale(**fields["scales"][scale]) for scale in SCALES},
        states=tuple(fields.pop("states", ())),
        metrics=tuple(fields.pop("metrics", ())),
        claims=tuple(_claim(**claim) for claim in fields.pop("claims", ())),
        points=tuple(tuple(map(float, point)) for point in fields.pop("points", ())),
        pretraining=tuple(_line(**line) for line in fields.pop("pretraining", ())),
        **{field: value for field, value in fields.items() if field != "scales"},
    )


def _line(*, set: Mapping[str, Any] | None = None, **names: Any) -> Line:
    return Line(**names, settings=_texts(set or {}))


def _claim(*, environments: Sequence[str] = ("*",), **fields: str) -> Claim:
    return Claim(**fields, environments=tuple(environments))


def _scale(
    *,
    environments: Sequence[str],
    seeds: int,
    steps: int,
    train: Mapping[str, Any],
    pretraining_steps: int = 0,
) -> Scale:
    return Scale(tuple(environments), seeds, steps, _texts(train), pretraining_steps)


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: presets.as_text(value) for name, value in table.items()}
