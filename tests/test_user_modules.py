from __future__ import annotations

import importlib
import sys
import types

import pytest

from quinoa import user_modules


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Modules and the path as they were."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("mine", ("mine", None)),
        ("my_package.mine:make", ("my_package.mine", "make")),
        ("my_package.mine:Holder.make", ("my_package.mine", "Holder.make")),
        ("./mine.py", ("./mine.py", None)),
        ("/some where/mine-2.py:make", ("/some where/mine-2.py", "make")),
        ("control:walker:walk", None),
        ("a b", None),
        ("", None),
    ],
)
def test_names_in_parts(name, parts):
    assert user_modules.parse(name) == parts


def test_a_file_is_named_absolutely_and_nothing_else_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert user_modules.absolute("./mine.py:make") == f"{tmp_path}/mine.py:make"
    assert user_modules.absolute("my_package.mine:make") == "my_package.mine:make"
    assert user_modules.absolute("control:walker:walk") == "control:walker:walk"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_modules.absolute("~/mine.py:make") == f"{tmp_path}/home/mine.py:make"


def test_a_file_is_loaded_once_with_what_lies_beside_it(tmp_path):
    (tmp_path / "beside_quinoa_test.py").write_text("NUMBER = 3\n")
    (tmp_path / "mine_quinoa_test.py").write_text(
        "import dataclasses\nfrom beside_quinoa_test import NUMBER\n"
        "@dataclasses.dataclass\nclass Settings:\n    size: 'int' = NUMBER\n"
        "def later():\n    import later_quinoa_test as l\n    return l.NUMBER\n"
    )
    (tmp_path / "later_quinoa_test.py").write_text("NUMBER = 4\n")
    module = user_modules.load(str(tmp_path / "mine_quinoa_test.py"))
    assert module.Settings().size == 3
    assert module.later() == 4
    assert user_modules.load(str(tmp_path / "mine_quinoa_test.py")) is module


def test_a_file_that_has_the_name_of_another_module_leaves_that_alone(tmp_path):
    path = tmp_path / "random.py"
    path.write_text("NUMBER = 5\n")
    module = user_modules.load(str(path))
    assert module.NUMBER == 5
    assert importlib.import_module("random").random() < 1


def test_an_import_path_means_the_current_folder_before_what_is_installed(tmp_path, monkeypatch):
    for folder, number in (("site", 1), ("project", 2)):
        package = tmp_path / folder / "agents_quinoa_test"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"NUMBER = {number}\n")
    sys.path.append(str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path / "project")
    before = list(sys.path)
    assert user_modules.load("agents_quinoa_test").NUMBER == 2
    assert sys.path == before


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ModuleNotFoundError, match="There is no file nowhere"):
        user_modules.load("nowhere/mine.py")
    path = tmp_path / "broken_quinoa_test.py"
    path.write_text("import no_such_module_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        user_modules.load(str(path))
    assert "broken_quinoa_test" not in sys.modules


def test_the_script_that_runs_is_not_taken_for_the_module(tmp_path, monkeypatch):
    path = tmp_path / "script_quinoa_test.py"
    path.write_text("NUMBER = 6\n")
    main = types.ModuleType("__main__")
    main.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert user_modules.load(str(path)).NUMBER == 6
