import pytest

from quinoa.launch.run import scale
from quinoa.launch.run.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_what_was_asked_for_last_is_wanted(folder):
    assert scale.wanted(folder) is None
    scale.ask(folder, 8)
    scale.ask(folder, 3)
    assert scale.wanted(folder) == 3


def test_what_was_asked_for_is_forgotten(folder):
    scale.ask(folder, 8)
    scale.forget(folder)
    assert scale.wanted(folder) is None
    scale.forget(folder)


@pytest.mark.parametrize(
    "text", ["", "[3]", "{}", '{"num_actors": 0}', '{"num_actors": "many"}', '{"num_actors": 1']
)
def test_a_damaged_request_is_none(folder, text):
    folder.scale.write_text(text)
    assert scale.wanted(folder) is None


def test_a_folder_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        scale.ask(RunFolder(tmp_path / "nowhere"), 2)
