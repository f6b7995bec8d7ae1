import dataclasses
from typing import Annotated, Literal

import pytest

from quinoa.agents import registry
from quinoa.agents.config import LayerSizes, OffPolicyConfig
from quinoa.config import descriptions
from quinoa.config.fields import Bounds


@dataclasses.dataclass(frozen=True)
class Config(OffPolicyConfig):
    """Settings of an agent to look at."""

    rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.5
    """How fast it
    goes."""
    kind: Literal["small", "large"] = "small"
    """How large it is."""
    sizes: LayerSizes = (8, 8)
    period: Annotated[int, Bounds(at_least=1)] | None = None
    batch_size: int = 32
    discount: float = 0.9
    """Another sentence for a field of the base."""


def by_name(config):
    return {setting.name: setting for setting in descriptions.described(config)}


def test_a_setting_is_what_the_class_says_of_it():
    found = by_name(Config(rate=0.25))
    assert found["rate"] == (
        *("rate", "float", "in (0, 1]", 0.5, 0.25, "How fast it goes.", Config),
    )
    assert (found["kind"].kind, found["kind"].bounds) == ("one of small, large", "")
    assert (found["sizes"].kind, found["sizes"].bounds) == ("int,...", "each at least 1")
    assert (found["period"].kind, found["period"].bounds) == ("int or none", "at least 1")
    assert found["sizes"].about == ""


def test_a_field_of_the_base_keeps_what_the_class_does_not_say_anew():
    found = by_name(Config())
    of_base = by_name(OffPolicyConfig())
    assert found["batch_size"] == of_base["batch_size"]._replace(default=32, value=32)
    assert found["discount"].about == "Another sentence for a field of the base."
    assert found["discount"].bounds == "in [0, 1]"


def test_its_own_come_first():
    names = [setting.name for setting in descriptions.described(Config())]
    assert names[:4] == ["rate", "kind", "sizes", "period"]
    assert set(names[4:]) == {field.name for field in dataclasses.fields(OffPolicyConfig)}


@pytest.mark.parametrize("name", [name for name, _ in registry.names()])
def test_every_setting_of_ours_has_a_sentence(name):
    for setting in descriptions.described(registry.load_config(name).config):
        assert setting.about.endswith("."), setting.name


def test_a_class_without_a_source_has_no_sentences():
    found: dict = {"OffPolicyConfig": OffPolicyConfig, "dataclass": dataclasses.dataclass}
    exec("@dataclass(frozen=True)\nclass Config(OffPolicyConfig):\n    rate: float = 0.5", found)
    assert by_name(found["Config"]())["rate"].about == ""
