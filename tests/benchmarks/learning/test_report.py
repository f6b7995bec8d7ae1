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
    ("gym:B", "ours", 0): learned(60.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ("gym:B", "theirs", 0): learned(600.0, 0.0, 10.0, 10.0, 10.0, 10.0),
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
    assert (ours["minutes to 400 steps"], theirs["minutes to 400 steps"]) == ("4.0", "40.0")
    # To 90 in the mean of three evaluations: three minutes with one seed, four with the other.
    assert ours["time to 90 % of Theirs"] == "3:30"
    assert theirs["time to 90 % of Theirs"] == "40:00"
    assert other["time to 90 % of Theirs"] == "not in 4:00"
    assert theirs["mean return of the first 10 min"] == "25"


def test_returns_are_at_a_peers_last_step_and_at_the_end():
    curves = {
        ("gym:A", "ours", 0): learned(60.0, *(10.0 * i for i in range(9))),
        ("gym:A", "theirs", 0): learned(600.0, 0.0, 40.0),
    }
    ours, theirs = rows(report.table(curves, SYSTEMS, 100).splitlines())
    assert (ours["return at 100 steps"], ours["minutes to 100 steps"]) == ("5", "1.0")
    assert (ours["steps at the end"], ours["return at the end"]) == ("800", "70")
    assert (ours["minutes at the end"], theirs["minutes at the end"]) == ("8.0", "10.0")
    assert (theirs["steps at the end"], theirs["return at the end"]) == ("100", "20")
    assert ours["time to 90 % of Theirs"] == "3:00"


def test_a_run_that_was_stopped_has_no_return_at_a_later_step():
    curves = {
        ("gym:A", "ours", 0): learned(60.0, 0.0, 20.0, 40.0),
        ("gym:A", "theirs", 0): learned(600.0, 0.0, 40.0),
    }
    systems = SYSTEMS | {"ours": Quinoa("Ours", (), steps_per_update=4)}
    ours, theirs = rows(report.table(curves, systems, 200).splitlines())
    assert (ours["return at 200 steps"], theirs["return at 200 steps"]) == ("20", "")
    assert (theirs["minutes to 200 steps"], theirs["return at the end"]) == ("", "20")
    assert ours["time to 90 % of Theirs"] == ""
    assert theirs["mean return of the first 10 min"] == "20"
    assert theirs["mean return of the first 30 min"] == ""
    # It would have 800.
    assert ours["mean return of the first 10 min"] == ""


def test_the_table_and_a_picture_are_written(tmp_path):
    text = report.write(CURVES, SYSTEMS, 400, tmp_path)
    assert text in (tmp_path / "results.md").read_text()
    assert (tmp_path / "return.png").stat().st_size > 10_000
