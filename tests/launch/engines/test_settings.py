from __future__ import annotations

import dataclasses
import math

import pytest
from absl import flags

from quinoa.config.fields import ConfigError
from quinoa.launch.commands.options import field_flags, train_flags
from quinoa.launch.engines import ENGINES
from quinoa.launch.engines.settings import LocalSettings, SupervisedSettings


def test_the_settings_that_an_engine_declares_are_flags_with_their_defaults():
    values = train_flags.define()
    values(["quinoa train"])
    for entry in ENGINES.values():
        given = field_flags.given(values, entry.settings, left_out=True)
        assert entry.settings(**given) == entry.settings()
    assert (values.private_network, values.require_private, values.hang_timeout) == (
        True,
        False,
        120.0,
    )


def test_two_engines_may_have_the_same_setting():
    @dataclasses.dataclass(frozen=True)
    class OtherSettings(SupervisedSettings):
        num_hosts: int = 1

    values = flags.FlagValues()
    field_flags.define(values, LocalSettings)
    field_flags.define(values, OtherSettings)
    values(["quinoa train", "--hang_timeout=7"])
    for settings in (LocalSettings, OtherSettings):
        given = field_flags.given(values, settings, left_out=True)
        assert settings(**given).hang_timeout_s == 7.0


def test_a_process_may_be_allowed_to_hang_for_ever():
    values = train_flags.define()
    values(["quinoa train", "--hang_timeout=inf"])
    given = field_flags.given(values, LocalSettings, left_out=True)
    assert LocalSettings(**given).hang_timeout_s == math.inf
    for text in ("nan", "-inf", "0.5"):
        with pytest.raises(flags.Error, match="must be a number, at least 1"):
            train_flags.define()(["quinoa train", f"--hang_timeout={text}"])


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match=r"hang_timeout_s = 0\.5"):
        LocalSettings(hang_timeout_s=0.5)
    with pytest.raises(ConfigError, match="contradict each other"):
        LocalSettings(private_network=False, require_private=True)
