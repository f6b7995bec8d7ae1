import pytest

from quinoa.agents.iq import PRESETS, Config
from quinoa.agents.protocol import ConfigError


@pytest.mark.parametrize(
    "field, value",
    [
        ("tau", 0.0),
        ("tau", -1.0),
        ("tau", float("inf")),
        ("alpha", -0.1),
        ("alpha", 1.0),
        ("value_bins", -1),
        ("value_limit", 0.0),
        ("value_low", 0.0),
        ("target_rate", 0.0),
        ("target_rate", 1.5),
        ("policy", "categorical"),
        ("num_bins", 1),
        ("num_couplings", 0),
        ("max_log_scale", 0.0),
        ("max_shift", -1.0),
        ("hidden_sizes", (256, 0)),
        ("coupling_hidden_sizes", (-1,)),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("discount", 2.0),  # Of every agent.
    ],
)
def test_what_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert f"{field} = {value!r}" in str(error.value)


@pytest.mark.parametrize("settings", [{"value_bins": 1}, {"value_bins": 9, "target_value": False}])
def test_a_categorical_value_needs_two_bins_and_a_fixed_target(settings):
    with pytest.raises(ConfigError, match=rf"^value_bins = {settings['value_bins']}"):
        Config(**settings)


@pytest.mark.parametrize("bins, holds", [(34, True), (33, True), (32, False), (2, False)])
def test_three_bins_lie_below_zero(bins, holds):
    settings = {"value_bins": bins, "value_low": -12.0, "value_limit": 120.0}
    if holds:
        assert Config(**settings).value_low == -12.0
        return
    with pytest.raises(ConfigError, match=r"^value_low = -12.0 cannot work: .* three"):
        Config(**settings)


@pytest.mark.parametrize("limit, holds", [(60.0, True), (49.0, False), (1.0, False)])
def test_three_bins_lie_above_zero(limit, holds):
    settings = {"value_bins": 63, "value_low": -1000.0, "value_limit": limit}
    if holds:
        assert Config(**settings).value_limit == limit
        return
    with pytest.raises(ConfigError, match=rf"^value_limit = {limit} cannot work: .* three"):
        Config(**settings)


def test_where_v_is_a_number_it_is_of_no_account_where_bins_begin():
    assert Config(value_low=-0.1).value_bins == 0


def test_an_unknown_policy_class_lists_those_that_there_are():
    with pytest.raises(ConfigError, match="multicategorical, autoregressive, flow, gaussian"):
        Config(policy="normal")  # type: ignore[arg-type]


def test_presets_are_the_paper_s_variants():
    assert set(PRESETS) == {"iq", "m_iq", "pcl", "trust_pcl", "iq_gaussian", "iq_flow"}
    munchausen = {name for name, config in PRESETS.items() if config.alpha > 0}
    residual = {name for name, config in PRESETS.items() if not config.target_value}
    assert munchausen == {"m_iq", "trust_pcl"}
    assert residual == {"pcl", "trust_pcl"}
    policies = {name: config.policy for name, config in PRESETS.items()}
    assert policies.pop("iq_gaussian") == "gaussian"
    assert policies.pop("iq_flow") == "flow"
    assert set(policies.values()) == {"multicategorical"}
