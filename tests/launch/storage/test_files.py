from __future__ import annotations

import os

import pytest

from quinoa.launch.storage import files


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, os.fsdecode(b"\xff" * 255)])
def test_a_file_may_have_the_longest_name_that_there_is(tmp_path, name):
    path = tmp_path / name
    files.require_writable(path)
    files.write_json(path, 1)
    files.write_json(path, 2)
    assert files.read_json(path) == 2
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["x" * 256, "ü" * 128, "new/" + "x" * 256, "x" * 256 + "/new"])
def test_a_name_that_is_too_long_is_found_out_beforehand(tmp_path, name):
    with pytest.raises(OSError, match="File name too long"):
        files.require_writable(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_too_long_is_found_out_beforehand(tmp_path):
    with pytest.raises(OSError, match="File name too long"):
        files.require_writable(tmp_path.joinpath(*["x" * 200] * 20))
    files.require_writable(tmp_path.joinpath(*["x" * 200] * 10))


def test_a_file_in_the_way_is_found_out_beforehand(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        files.require_writable(tmp_path / "file" / "new" / "x")
    files.require_writable(tmp_path / "file")
