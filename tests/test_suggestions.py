import pytest

from quinoa.suggestions import did_you_mean, similar

ENVIRONMENTS = [
    "control:cheetah:run",
    "control:pendulum:swingup",
    "control:walker:run",
    "control:walker:walk",
    "gym:HalfCheetah-v4",
    "gym:HalfCheetah-v5",
    "gym:Pendulum-v1",
    "adroit:door",
]
PRESETS = ["gym/fast", "gym/m_fast", "hand/fast", "hand/slow"]


@pytest.mark.parametrize(
    ("typed", "known", "near"),
    [
        # Capitals and what separates words.
        ("FAST", ["fast", "m_fast"], ["fast"]),
        ("m-fast", ["fast", "m_fast"], ["m_fast"]),
        ("Walker-Walk", ENVIRONMENTS, ["control:walker:walk"]),
        # A part.
        ("Pendulum-v1", ENVIRONMENTS, ["gym:Pendulum-v1"]),
        ("walker", ENVIRONMENTS, ["control:walker:run", "control:walker:walk"]),
        ("fast", PRESETS, ["gym/fast", "hand/fast"]),
        ("door", ENVIRONMENTS, ["adroit:door"]),
        ("cheet", ENVIRONMENTS, ["control:cheetah:run"]),
        ("eval", ["evaluate", "train"], ["evaluate"]),
        # Spelled otherwise, the nearest alone.
        ("control:walker:wlak", ENVIRONMENTS, ["control:walker:walk"]),
        ("control:cheeta:run", ENVIRONMENTS, ["control:cheetah:run"]),
        ("half_cheetah", ENVIRONMENTS, ["gym:HalfCheetah-v4", "gym:HalfCheetah-v5"]),
        ("wlaker", ENVIRONMENTS, ["control:walker:run", "control:walker:walk"]),
        ("learning_rat", ["learning_rate", "discount"], ["learning_rate"]),
        ("trian", ["train", "status"], ["train"]),
        # Of equally near ones, first that of the same case and without further words.
        ("mach", ["Match", "my_match", "match"], ["match", "Match", "my_match"]),
        # Nothing is near.
        ("nonsense", ENVIRONMENTS, []),
        ("x", ["xylophone"], []),
        ("", ENVIRONMENTS, []),
        ("::", ENVIRONMENTS, []),
        ("walker", [], []),
    ],
)
def test_what_was_meant_is_found(typed, known, near):
    assert similar(typed, known) == near


def test_it_is_a_question_or_nothing():
    assert did_you_mean("evn", ["env"], "--") == " Did you mean --env?"
    assert did_you_mean("fast", PRESETS) == " Did you mean gym/fast or hand/fast?"
    assert did_you_mean("nonsense", PRESETS) == ""
