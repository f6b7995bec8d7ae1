import pytest

from quinoa.launch.errors import RunError
from quinoa.launch.run import logs
from quinoa.launch.run.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path)
    made.logs.mkdir()
    (made.logs / "learner-0.log").write_text("a\nb\nc\n")
    (made.logs / "actor-0.log").write_text("")
    (made.logs / "actor-0.error").write_text("no log")
    return made


def test_the_last_lines_of_each_log(folder):
    assert logs.tails(folder, 2) == {"actor-0": "", "learner-0": "b\nc"}
    assert logs.tails(folder, 20)["learner-0"] == "a\nb\nc"


def test_a_run_without_logs_has_none(tmp_path):
    assert logs.tails(RunFolder(tmp_path), 5) == {}


def test_of_a_long_log_only_the_end_is_read(tmp_path):
    path = tmp_path / "long.log"
    path.write_text("".join(f"line {i}\n" for i in range(100_000)))
    assert logs.tail(path, 2) == "line 99998\nline 99999"
    # Lines that are longer than expected are fewer, and never more.
    path.write_text("x" * 10_000 + "\nlast")
    assert logs.tail(path, 2).splitlines()[-1] == "last"


def test_a_log_that_is_no_text_or_not_there(tmp_path):
    path = tmp_path / "odd.log"
    assert logs.tail(path, 3) == ""
    path.write_bytes(b"\xff\xfe here\n")
    assert logs.tail(path, 3).endswith(" here")


def test_those_that_are_named_are_chosen_in_their_order(folder):
    found = logs.tails(folder, 1)
    assert list(logs.chosen(found, [])) == ["actor-0", "learner-0"]
    assert list(logs.chosen(found, ["learner-0", "actor-0"])) == ["learner-0", "actor-0"]


def test_a_name_without_a_log_is_an_error(folder):
    with pytest.raises(RunError, match=r"no log of 'actor-00'\. Did you mean actor-0\?"):
        logs.chosen(logs.tails(folder, 1), ["actor-00"])
    with pytest.raises(RunError, match="There are no logs yet"):
        logs.chosen({}, [])
