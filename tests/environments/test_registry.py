import numpy as np
import pytest

from quinoa import environments
from quinoa.environments import InvalidEnvironmentError, UnknownEnvironmentError

HERE = "tests.environments.factories"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("control:cheeta:run", r"'control:cheeta:run'. Did you mean control:cheetah:run\b"),
        ("control:cheetah:runn", r"Did you mean control:cheetah:run\b"),
        ("contrl:cheetah:run", r"Did you mean control:cheetah:run\b"),
        ("cartpole:swingup", r"Did you mean control:cartpole:swingup\b"),
        ("gym:HalfCheeta-v4", r"Did you mean gym:HalfCheetah-v4\b"),
        ("gym:HalfCheetah", r"Did you mean gym:HalfCheetah-v"),
        ("gyn:HalfCheetah-v4", r"Did you mean gym:HalfCheetah-v4\b"),
        ("control:walker:xyzzyxyz", r"The tasks of walker are walker:run, walker:stand, walker:w"),
        ("control:xyzzy", r"The domains are acrobot, .*, walker\."),
        ("gym:Xyzzy-v0", r"no environment registered under this id\."),
        (
            "xyzzy",
            r"A name is control:<domain>:<task>, gym:<id>, toy:<id>, minatar:<game>, atari:<game>, "
            r"adroit:<task>, didactic:<task>, package\.module:factory",
        ),
        ("", r"A name is control:"),
        ("a b:c", r"A name is control:"),
        ("a:b:c", r"A name is control:"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownEnvironmentError, match=message):
        environments.make(name, 0)


@pytest.mark.parametrize("seed", [-1, 2**31, 1.0, True, None, "0"])
def test_bad_seeds(seed):
    with pytest.raises(ValueError, match="seed must be an integer from 0"):
        environments.make("control:cartpole:swingup", seed)


def test_bad_action_repeat():
    with pytest.raises(ValueError, match="action_repeat must be"):
        environments.make("control:cartpole:swingup", 0, action_repeat=0)


def test_names_are_unique_and_cover_the_suites():
    names = environments.list_environments()
    assert len(set(names)) == len(names)
    suites = {name.split(":")[0] for name in names}
    assert {"adroit", "control", "gym", "toy"} <= suites
    assert all(environments.is_built_in(name) for name in names)


def test_environment_spec():
    environment = environments.make("control:cheetah:run", 0)
    spec = environments.environment_spec(environment)
    assert spec.observations == environment.observation_spec()
    assert spec.actions == environment.action_spec()
    assert spec.rewards == environment.reward_spec()
    assert spec.discounts == environment.discount_spec()


@pytest.mark.parametrize(
    ("factory", "identity"),
    [
        ("seeded", int(np.random.default_rng(3).integers(99))),
        ("unseeded", -1),
        ("any_keywords", 3),
        ("by_rng_seed", 3),
        ("holder.nested", -1),
    ],
)
def test_factories(factory, identity):
    environment = environments.make(f"{HERE}:{factory}", 3, action_repeat=2)
    assert isinstance(environment, environments.CanonicalEnvironment)
    assert environment.name == f"{HERE}:{factory}"
    np.testing.assert_array_equal(environment.reset().observation, [identity, 0, 0, 0, 0])
    assert environment.step([0, 0]).reward == 3


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no_such_module:make", UnknownEnvironmentError, "no module no_such_module either"),
        (
            "tests.environments.nowhere:make",
            UnknownEnvironmentError,
            r"no module tests\.environments\.nowhere either",
        ),
        (f"{HERE}:seded", UnknownEnvironmentError, r"has no seded\. Did you mean seeded"),
        (f"{HERE}:holder.nowhere", UnknownEnvironmentError, r"holder has no nowhere"),
        (f"{HERE}:not_callable", InvalidEnvironmentError, "of type int, not a function"),
        (f"{HERE}:no_environment", InvalidEnvironmentError, "type Counter, not a dm_env.Env"),
        (f"{HERE}:needs_a_map", InvalidEnvironmentError, r"\(map_name: .*needs arguments"),
        (f"{HERE}:Grid", InvalidEnvironmentError, r"\(size: .*needs arguments"),
        (f"{HERE}:of_difficulty", InvalidEnvironmentError, r"\(difficulty: .*needs arguments"),
        (f"{HERE}:unbounded_actions", InvalidEnvironmentError, "no finite bounds, so 0, 1, "),
    ],
)
def test_factories_that_fail(name, error, message):
    with pytest.raises(error, match=message) as raised:
        environments.make(name, 0)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_dependency\n", "importing .* failed: No module named 'no_such_depen"),
        ("raise KeyError('mine')\n", "importing .* failed: KeyError: 'mine'"),
        ("def make(:\n", "importing .* failed: SyntaxError: "),
        ("raise SystemExit\n", "importing .* failed: SystemExit$"),
    ],
)
def test_a_module_that_fails_to_import(source, message, tmp_path, monkeypatch):
    name = f"broken_module_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidEnvironmentError, match=message):
        environments.make(f"{name}:make", 0)


@pytest.mark.parametrize(
    ("factory", "message", "cause"),
    [
        ("broken", "ZeroDivisionError: the factory's own error, seed 5", ZeroDivisionError),
        ("exits", "SystemExit: 0", SystemExit),
        ("exits_when_asked_for_its_specs", "SystemExit: no licence", SystemExit),
    ],
)
def test_whatever_making_one_raises_is_one_error_with_its_cause(factory, message, cause):
    with pytest.raises(
        InvalidEnvironmentError, match=f"^{HERE}:{factory} fails when it is made: {message}$"
    ) as raised:
        environments.make(f"{HERE}:{factory}", 5)
    assert isinstance(raised.value.__cause__, cause)


def test_ctrl_c_ends_the_making_of_one():
    with pytest.raises(KeyboardInterrupt):
        environments.make(f"{HERE}:interrupted", 0)


@pytest.mark.parametrize(
    "name",
    [
        "control:cheetah:run",
        "control:ball_in_cup:catch",
        "gym:Pendulum-v1",
        "gym:HalfCheetah-v5",
        *(name for name in environments.list_environments() if name.startswith("adroit:")),
    ],
)
def test_same_seed_same_trajectory(name):
    def trajectory(seed):
        with environments.make(name, seed) as environment:
            rng = np.random.default_rng(7)
            out = [environment.reset().observation]
            for t in range(40):
                action = rng.uniform(-1, 1, environment.action_spec().shape)
                # Of a second episode too, whose start follows from the same seed.
                step = environment.reset() if t == 20 else environment.step(action)
                out.append(step.observation)
            return np.array(out)

    np.testing.assert_array_equal(trajectory(4), trajectory(4))
    assert not np.array_equal(trajectory(4), trajectory(5))
