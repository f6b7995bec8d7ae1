from quinoa.config import other_libraries


def test_the_first_name_is_meant_that_there_is():
    assert other_libraries.setting("n_steps", ["segment_length", "n_step"]) == "n_step"
    assert other_libraries.setting("n-steps", ["segment_length"]) == "segment_length"
    assert other_libraries.setting("n_steps", ["discount"]) is None
    assert other_libraries.setting("zzz", ["discount"]) is None


def test_flags_are_told_likewise():
    assert other_libraries.flag("total-timesteps", ["steps"]) == "steps"
    assert other_libraries.flag("total_timesteps", ["episodes"]) is None
    assert other_libraries.flag("zzz", ["steps"]) is None


def test_a_sentence_says_both_names_and_where_more_is():
    assert (
        other_libraries.sentence("gamma", "discount")
        == " What other libraries call gamma is discount (docs/coming_from.md)."
    )
