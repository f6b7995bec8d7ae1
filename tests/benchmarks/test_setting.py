import json

from benchmarks.setting import config_of, of_preset


def test_a_list_among_the_arguments_of_a_stage_stands_for_a_tuple():
    settings = vars(config_of("iq", hidden_sizes=[8, 16], batch_size=4))
    assert (settings["hidden_sizes"], settings["batch_size"]) == ((8, 16), 4)


def test_a_presets_settings_are_what_a_stage_takes():
    taken = json.loads(json.dumps(of_preset("atari/dqn_pong")))
    assert (taken["task"], taken["agent"]) == ("atari:pong", "dqn")
    assert taken["env_arguments"]["size"] == 42
    settings = vars(config_of("dqn", **taken["settings"]))
    assert (settings["n_step"], settings["convolutions"]) == (10, "a3c_standardized")
