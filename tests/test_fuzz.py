"""Whatever is read, names, settings, files, gives a result or this project's own error."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.agents.protocol import AgentConfig, ConfigError
from quinoa.config import parsing
from quinoa.environments import Layout
from quinoa.launch.checkpoints import checkpoint_folder, learner_checkpoints
from quinoa.launch.commands.base import UsageError
from quinoa.launch.commands.running.new_experiment import assignments
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.experiment import Experiment, validation
from quinoa.launch.experiment.saved import load, save
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import MATCH, experiment

# 100,000 in all in the slow part.
FEW = 300
MANY = {"settings": 35_000, "experiment": 20_000, "checkpoint": 15_000, "agent": 20_000}
MANY["environment"] = 100_000 - sum(MANY.values())


def fuzzed(kind: str):
    """Has a test run on few inputs in one variant, and on many in a slow one."""
    slow = [pytest.mark.slow, pytest.mark.timeout(0)]
    sizes = pytest.param(FEW, id="few"), pytest.param(MANY[kind], id="many", marks=slow)
    return pytest.mark.parametrize("count", sizes)


def on(count: int, *strategies: st.SearchStrategy):
    """Runs a function at once on so many inputs."""

    def decorate(function):
        given(*strategies)(
            settings(
                max_examples=count,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )(function)
        )()

    return decorate


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file that was cut, flipped, overwritten or grown, once or a few times."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["cut", "flip", "insert", "zero", "overwrite"]))
        if kind == "cut":
            del data[at:]
        elif kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "insert":
            data[at:at] = draw(
                st.binary(max_size=8) | st.sampled_from([b"[" * 3000, b'{"a":' * 900])
            )
        elif kind == "zero":
            data[at : at + 8] = bytes(len(data[at : at + 8]))
        else:
            data[at : at + 4] = draw(st.binary(max_size=8))
    return bytes(data)


def names(tokens: list[str]) -> st.SearchStrategy[str]:
    """Texts made of parts of real names, and any text."""
    parts = st.sampled_from([*tokens, ":", ".", "-", "_", " ", "\0", "/", "é", "٣", "ǆ", "x" * 300])
    return st.lists(parts, max_size=7).map("".join) | st.text(max_size=40)


TEXTS = st.text(max_size=30) | st.sampled_from(
    "1 0 -1 1e6 1e400 nan inf -inf true none 64,64 (,) [] () 1_000 ٣ 0x10 1e-400 , 64,,64 1.5 (64 "
    f"\0 ½ {'9' * 5000}  ".split(" ")
)


@pytest.mark.parametrize("agent", [name for name, _ in registry.names()])
@fuzzed("settings")
def test_settings(count, agent):
    config = registry.load_config(agent).config
    fields = [field.name for field in dataclasses.fields(config)]
    known = st.tuples(st.sampled_from(fields), TEXTS).map("=".join)
    each = count // len(registry.names())

    @on(each, st.lists(known | st.text(max_size=20) | names(fields), max_size=3))
    def check(texts: list[str]) -> None:
        try:
            changed = parsing.override(config, assignments(texts))
        except (ConfigError, UsageError) as error:
            assert "\n" not in str(error).replace(repr("\n"), "")
            return
        assert parsing.from_json(type(config), parsing.to_json(changed)) == changed


def choices_of(hint: object) -> tuple[str, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def has_declared_types(of: Experiment) -> bool:
    hints = typing.get_type_hints(
        Experiment, localns={"AgentConfig": AgentConfig, "Layout": Layout}
    )
    # Of what these are made of, isinstance says nothing.
    hints |= {"env_kwargs": dict, "environment_maker": type(None)}
    values = {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}
    choices = {name: args for name, hint in hints.items() if (args := choices_of(hint))}
    assert all(values[name] in args for name, args in choices.items())
    hints |= {name: str for name in choices}
    return all(
        isinstance(value, hints[name]) and (hints[name] is bool or not isinstance(value, bool))
        for name, value in values.items()
        if name != "evaluation_sample"
    )


@fuzzed("experiment")
def test_experiment_file(count, tmp_path):
    folder = RunFolder(tmp_path)
    save(experiment(), folder)
    whole = folder.experiment.read_bytes()
    described = json.loads(whole)
    fields = described["experiment"]

    def with_value(where: tuple[str, ...], value: object) -> bytes:
        changed = json.loads(whole)
        inner = changed
        for name in where[:-1]:
            inner = inner[name]
        inner[where[-1]] = value
        return json.dumps(changed).encode()

    paths = [
        ("experiment",),
        *(("experiment", name) for name in [*fields, "other"]),
        *(("experiment", "agent_config", name) for name in [*fields["agent_config"], "other"]),
    ]
    replaced = st.builds(with_value, st.sampled_from(paths), json_values)

    @on(count, damaged(whole) | replaced | json_values.map(lambda x: json.dumps(x).encode()))
    def check(data: bytes) -> None:
        folder.experiment.write_bytes(data)
        try:
            loaded = load(folder)
        except RunError as error:
            assert str(folder.root) in str(error)
            return
        assert has_declared_types(loaded), loaded


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> learner_checkpoints.Checkpoint:
    of = experiment()
    learner = Learner(registry.load(of.agent).agent_class, of.learner_config, of.spec(), seed=1)
    return learner_checkpoints.save(
        tmp_path_factory.mktemp("saved"), learner, Counts(actor_steps=1)
    )


@fuzzed("checkpoint")
def test_checkpoint(count, checkpoint):
    files = {path: path.read_bytes() for path in checkpoint.path.iterdir()}
    contents = checkpoint.contents()

    def with_right_digest(name: str, value: object) -> bytes:
        """Contents that were changed by someone who recomputed their digest."""
        changed = {**contents, name: value}
        return json.dumps({**changed, "own_sha256": checkpoint_folder._digest_of(changed)}).encode()

    main = checkpoint.path / checkpoint_folder.CONTENTS
    forged = st.builds(with_right_digest, st.sampled_from([*contents, "other"]), json_values)
    cases = st.one_of(
        *(st.tuples(st.just(path), damaged(data)) for path, data in files.items()),
        st.tuples(st.just(main), forged),
        st.tuples(st.just(main), json_values.map(lambda value: json.dumps(value).encode())),
    )

    @on(count, cases)
    def check(case: tuple[Path, bytes]) -> None:
        path, data = case
        path.write_bytes(data)
        reads = (
            lambda: learner_checkpoints.newest_whole(checkpoint.path.parent),
            lambda: learner_checkpoints.counts_at(checkpoint),
            checkpoint.policy_parameters,
        )
        try:
            for read in reads:
                try:
                    read()
                except RunError as error:
                    assert str(checkpoint.path) in str(error)
        finally:
            path.write_bytes(files[path])

    checkpoint.verify()
    assert checkpoint.policy_parameters().dtype == np.float32


@fuzzed("agent")
def test_agent_name(count):
    known = [name for name, _ in registry.names()]
    tokens = ["agents", "iq", "quinoa", "agent", "config", "protocol", "__main__", "tests", "json"]

    @on(count, names([*known, *tokens]))
    def check(name: str) -> None:
        try:
            assert registry.load(name).name == name
        except registry.UnknownAgentError as error:
            assert str(error)


@fuzzed("environment")
def test_environment_name(count):
    tokens = ["control", "gym", "cartpole", "swingup", "tests.launch.factories", "match", "Match"]
    tokens += ["fails_at_once", "math", "pi", "sqrt", "json", "JSONDecoder", "__main__", "decoder"]
    tokens += ["Pendulum-v1", "HalfCheetah-v4", "numpy", "array", MATCH]

    @on(count, names(tokens))
    def check(name: str) -> None:
        try:
            validation.try_environment(experiment(environment=name))
        except ExperimentError as error:
            assert str(error)
