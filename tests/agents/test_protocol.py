import dataclasses

import numpy as np
import pytest
from acme import specs

from quinoa.agents import a2c, dqn, iq, protocol, sac
from quinoa.agents.replay import NStepReplay, UniformReplay
from quinoa.agents.rollouts import Rollouts
from quinoa.agents.rows import RowLayout
from tests.agents import tiny_on_policy
from tests.agents.fixtures import make_spec

ACTIONS = specs.BoundedArray((2,), np.float32, -1.0, 1.0)

WRONG_SPECS = {
    "nested observations": make_spec(observations={"a": specs.Array((3,), np.float32)}),
    "a float image": make_spec(observations=specs.Array((8, 8, 3), np.float32)),
    "a scalar observation": make_spec(observations=specs.Array((), np.float32)),
    "no observation": make_spec(observations=specs.Array((0,), np.float32)),
    "float64 observations": make_spec(observations=specs.Array((3,), np.float64)),
    "discrete actions": make_spec(actions=specs.DiscreteArray(4)),
    "nested actions": make_spec(actions=[ACTIONS, ACTIONS]),
    "unbounded actions": make_spec(actions=specs.Array((2,), np.float32)),
    "actions in other bounds": make_spec(
        actions=specs.BoundedArray((2,), np.float32, -1.0, [1.0, 2.0])
    ),
    "a matrix of actions": make_spec(actions=specs.BoundedArray((2, 2), np.float32, -1.0, 1.0)),
    "no action": make_spec(actions=specs.BoundedArray((0,), np.float32, -1.0, 1.0)),
    "float64 actions": make_spec(actions=specs.BoundedArray((2,), np.float64, -1.0, 1.0)),
}


class TestCheckSpec:
    def test_a_canonical_spec_is_accepted(self):
        protocol.check_spec(make_spec())

    @pytest.mark.parametrize("what", WRONG_SPECS)
    def test_a_wrong_spec_gets_one_clear_error(self, what):
        with pytest.raises(protocol.SpecError) as error:
            protocol.check_spec(WRONG_SPECS[what])
        message = str(error.value)
        assert (
            "observations" if "observation" in what or "image" in what else "actions"
        ) in message
        assert "environments.make" in message


FINITE = make_spec(actions=specs.DiscreteArray(4))
PRODUCT = make_spec(actions=specs.BoundedArray((2,), np.int32, 0, [2, 4]))
IMAGES = FINITE._replace(observations=specs.BoundedArray((8, 8, 3), np.uint8, 0, 1))


class TestObservations:
    def test_each_kind_is_taken_by_who_takes_it(self):
        both = (protocol.Vector, protocol.Image)
        for spec in (FINITE, IMAGES):
            protocol.check_spec(spec, actions=protocol.FiniteSet, observations=both)
        protocol.check_spec(IMAGES, actions=protocol.FiniteSet, observations=protocol.Image)

    def test_the_other_kind_is_refused_in_one_sentence(self):
        with pytest.raises(
            protocol.SpecError, match=r"takes vectors, but .* are images, uint8 \[8"
        ):
            protocol.check_spec(IMAGES, actions=protocol.FiniteSet)
        with pytest.raises(protocol.SpecError, match=r"takes images, but .* float32 vectors \[3\]"):
            protocol.check_spec(FINITE, actions=protocol.FiniteSet, observations=protocol.Image)

    @pytest.mark.parametrize(
        ("actions", "named", "advised"),
        [(FINITE.actions, "dqn", dqn), (PRODUCT.actions, "a2c or iq", iq)],
    )
    def test_an_agent_that_is_advised_for_images_takes_them(self, actions, named, advised):
        spec = IMAGES._replace(actions=actions)
        with pytest.raises(protocol.SpecError, match=f"convolutions, such as {named}, or"):
            protocol.check_spec(spec, actions=(protocol.FiniteSet, protocol.FiniteProduct))
        advised.Agent.check_spec(spec)

    @pytest.mark.parametrize("agent", [a2c, iq, sac])
    def test_where_actions_are_a_box_no_other_agent_is_advised_for_images(self, agent):
        spec = make_spec(observations=IMAGES.observations)
        with pytest.raises(
            protocol.SpecError, match=r"images, uint8 \[8.*from a box\. Take an environment of v"
        ) as error:
            agent.Agent.check_spec(spec)
        assert "take an agent" not in str(error.value)

    @pytest.mark.parametrize(
        ("taken", "wanted"),
        [
            (protocol.Vector, r"must be float32 vectors \[O\], but"),
            (protocol.Image, r"must be images, uint8 \[H, W, C\], but"),
            ((protocol.Vector, protocol.Image), r"vectors \[O\] or images, uint8 \[H, W, C\], but"),
        ],
    )
    def test_what_is_neither_is_told_what_this_agent_takes(self, taken, wanted):
        with pytest.raises(protocol.SpecError, match=wanted):
            protocol.check_spec(WRONG_SPECS["a float image"], observations=taken)

    def test_a_box_of_actions_is_named_before_images(self):
        with pytest.raises(protocol.SpecError, match="actions from a box"):
            protocol.check_spec(IMAGES)


class TestActions:
    def test_each_kind_is_taken_by_who_takes_it(self):
        protocol.check_spec(FINITE, actions=protocol.FiniteSet)
        for spec in (FINITE, make_spec()):
            protocol.check_spec(spec, actions=(protocol.Box, protocol.FiniteSet))
        protocol.check_spec(PRODUCT, actions=protocol.FiniteProduct)

    @pytest.mark.parametrize(
        ("spec", "actions", "message"),
        [
            (FINITE, protocol.Box, "one of 4: take an agent for finite sets of actions"),
            (PRODUCT, protocol.Box, "2 choices at once, from 3, 5: take an agent for finite sets"),
            (
                PRODUCT,
                protocol.FiniteSet,
                "one choice from a finite set, but .* are 2 choices at once, from 3, 5: take an "
                "agent with a softmax for each choice",
            ),
            (
                make_spec(),
                protocol.FiniteSet,
                "in \\[-1, 1\\]: take an agent for continuous actions",
            ),
        ],
    )
    def test_the_other_kind_is_refused_in_one_sentence(self, spec, actions, message):
        with pytest.raises(protocol.SpecError, match=message) as error:
            protocol.check_spec(spec, actions=actions)
        assert "\n" not in str(error.value)

    def test_what_is_neither_is_refused_whatever_is_taken(self):
        for actions in (protocol.Box, protocol.FiniteSet):
            with pytest.raises(protocol.SpecError, match=r"environments\.make"):
                protocol.check_spec(WRONG_SPECS["unbounded actions"], actions=actions)

    @pytest.mark.parametrize(
        ("agent", "wanted"),
        [
            (sac, r"must be float32 vectors \[A\] in \[-1, 1\], but"),
            (dqn, r"must be one of n, a DiscreteArray, but"),
            (iq, r"must be float32 .* or one of n, .* or int32 \[K\] from 0 on, but"),
        ],
    )
    def test_what_is_neither_is_told_what_this_agent_takes(self, agent, wanted):
        spec = make_spec(actions=specs.BoundedArray((2,), np.int64, 0, 3))
        with pytest.raises(protocol.SpecError, match=wanted):
            agent.Agent.check_spec(spec)


class TestSource:
    def made(self, agent_class, config=None):
        config = agent_class.Config() if config is None else config
        return agent_class.make_source(config, make_spec(), num_environments=4, steps_per_call=5)

    def test_follows_from_what_the_configuration_derives_from(self):
        assert isinstance(self.made(iq.Agent), UniformReplay)
        source = self.made(tiny_on_policy.Agent)
        assert isinstance(source, Rollouts)
        # What its actors add has a place in its rows.
        assert source.layout.width == RowLayout(make_spec()).width + 1

    @pytest.mark.parametrize("agent_class", [iq.Agent, sac.Agent, dqn.Agent])
    def test_every_agent_that_replays_can_have_n_step_transitions(self, agent_class):
        source = self.made(agent_class, agent_class.Config(n_step=3))
        assert isinstance(source, NStepReplay)
        assert (source.steps_per_call, source.capacity) == (5, agent_class.Config.max_replay_size)

    def test_a_configuration_of_neither_kind_is_refused(self):
        with pytest.raises(
            protocol.ConfigError, match="OffPolicyConfig or OnPolicyConfig, or over"
        ):
            self.made(iq.Agent, protocol.AgentConfig())


class TestAgentConfig:
    @pytest.mark.parametrize(
        "field, value",
        [
            ("discount", -0.1),
            ("discount", 1.1),
            ("discount", float("nan")),
            ("batch_size", 0),
            ("max_gradient_norm", -1.0),
            ("samples_per_insert", -1.0),
            ("samples_per_insert", float("inf")),
            ("segment_length", 0),
            ("min_replay_size", 0),
            ("max_replay_size", 10),
            ("n_step", 0),
        ],
    )
    def test_what_cannot_work_is_refused_by_name_and_value(self, field, value):
        with pytest.raises(protocol.ConfigError) as error:
            protocol.OffPolicyConfig(**{field: value})
        assert f"{field} = {value!r}" in str(error.value)

    @pytest.mark.parametrize(
        "field, value", [("discount", 0.0), ("discount", 1.0), ("max_gradient_norm", 0.0)]
    )
    def test_ends_of_the_ranges_are_accepted(self, field, value):
        assert getattr(protocol.OffPolicyConfig(**{field: value}), field) == value

    def test_a_segment_must_fit_into_replay(self):
        with pytest.raises(protocol.ConfigError, match="max_replay_size"):
            protocol.OffPolicyConfig(min_replay_size=1, max_replay_size=8, segment_length=16)

    def test_learning_begins_once_n_step_transitions_are_in_replay(self):
        one, five = (
            protocol.OffPolicyConfig(n_step=n).transitions_before_learning(8, 10) for n in (1, 5)
        )
        assert five == one + 8 * 4

    def test_learning_begins_once_the_samples_of_a_call_are_due(self):
        config = protocol.OffPolicyConfig(min_replay_size=100, batch_size=256, segment_length=16)
        starts = [
            dataclasses.replace(config, samples_per_insert=s).transitions_before_learning(
                num_environments, 10
            )
            for s, num_environments in ((1.0, 2), (7.0, 2), (0.0, 2), (1.0, 200))
        ]
        assert starts == [100 + 2560, 100 + 366, 100, 3200]

    def test_is_frozen_and_checked_again_when_replaced(self):
        config = protocol.OffPolicyConfig()
        with pytest.raises(dataclasses.FrozenInstanceError):
            config.discount = 0.5  # type: ignore[misc]
        with pytest.raises(protocol.ConfigError):
            dataclasses.replace(config, discount=2.0)
