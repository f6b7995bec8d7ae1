from benchmarks.setting import config_of


def test_a_list_among_the_arguments_of_a_stage_stands_for_a_tuple():
    settings = vars(config_of("iq", hidden_sizes=[8, 16], batch_size=4))
    assert (settings["hidden_sizes"], settings["batch_size"]) == ((8, 16), 4)
