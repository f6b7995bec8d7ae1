from benchmarks.learning import report
from benchmarks.learning.curve import Curve, Evaluation
from benchmarks.learning.systems import Quinoa, StableBaselines, System

SYSTEMS: dict[str, System] = {
    "ours": Quinoa("Ours", ()),
    "theirs": StableBaselines("Theirs", "sb3", "stable_baselines3.SAC"),
}


def learned(seconds_a_step, *returns):
    return Curve([Evaluation(i * seconds_a_step, 100 * i, r) for i, r in enumerate(returns)])


CURVES = {
    ("gym:A", "ours", 0): learned(60.0, 0.0, 90.0, 100.0, 100.0, 100.0),
    ("gym:A", "ours", 1): learned(60.0, 0.0, 0.0, 90.0, 100.0, 100.0),
    ("gym:A", "theirs", 0): learned(600.0, 0.0, 50.0, 100.0, 100.0, 100.0),
    ("gym:B", "ours", 0): learned(60.0, 0.0, 0.0),
    ("gym:B", "theirs", 0): learned(600.0, 0.0, 10.0),
}


def rows(text):
    titles, _, *lines = ([cell.strip() for cell in row.strip("|").split("|")] for row in text)
    return [dict(zip(titles, line, strict=True)) for line in lines]


def test_the_table_has_what_is_asked_of_each_system():
    table = rows(report.table(CURVES, SYSTEMS, 400).splitlines())
    assert [(row["task"], row["system"]) for row in table] == [
        ("gym:A", "Ours"),
        ("gym:A", "Theirs"),
        ("gym:B", "Ours"),
        ("gym:B", "Theirs"),
    ]
    ours, theirs, other, _ = table
    assert ours["seeds"] == "2"
    # Of the last three evaluations: 100 of one seed, 97 of the other.
    assert (ours["return at 400 steps"], theirs["return at 400 steps"]) == ("98", "100")
    assert (ours["minutes for them"], theirs["minutes for them"]) == ("4.0", "40.0")
    # To 90, of which one seed takes one minute and the other two.
    assert ours["time to 90 % of Theirs"] == "1:30"
    assert theirs["time to 90 % of Theirs"] == "20:00"
    assert other["time to 90 % of Theirs"] == "never"
    assert theirs["mean return of the first 10 min"] == "25"


def test_a_system_with_more_steps_has_its_return_at_theirs_and_at_its_own():
    curves = {
        ("gym:A", "ours", 0): learned(60.0, *(10.0 * i for i in range(9))),
        ("gym:A", "theirs", 0): learned(600.0, 0.0, 40.0),
    }
    ours, theirs = rows(report.table(curves, SYSTEMS, 100).splitlines())
    assert (ours["return at 100 steps"], ours["minutes for them"]) == ("5", "1.0")
    assert (ours["steps in all"], ours["return then"]) == ("800", "70")
    assert (theirs["steps in all"], theirs["return then"]) == ("100", "20")
    assert ours["time to 90 % of Theirs"] == "2:00"


def test_the_table_and_a_picture_are_written(tmp_path):
    text = report.write(CURVES, SYSTEMS, 400, tmp_path)
    assert text in (tmp_path / "results.md").read_text()
    assert (tmp_path / "return.png").stat().st_size > 10_000
