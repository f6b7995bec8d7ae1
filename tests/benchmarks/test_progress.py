import importlib
import itertools
import time
from types import SimpleNamespace

import pytest

from benchmarks import progress
from benchmarks.measure import Comparison
from benchmarks.progress import Part

ROW = Comparison("b", "c", "steps/s", (1.0,), "theirs", (2.0,))


def test_what_begins_is_said_with_how_far_along_it_is(monkeypatch, capsys):
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: 100.0 * next(clock))
    parts = [Part("the first", lambda: [ROW, ROW]), Part("the second", lambda: iter([ROW]))]
    rows = progress.run_all(parts)
    assert capsys.readouterr().err == ""
    next(rows)
    assert capsys.readouterr().err == "benchmarks: 1 of 2, after 1:40: the first\n"
    assert len(list(rows)) == 2
    assert capsys.readouterr().err.splitlines() == [
        "benchmarks: 2 of 2, after 3:20: the second",
        "benchmarks: 2 parts took 5:00.",
    ]


def test_a_benchmark_has_several_parts_or_one(monkeypatch):
    one = SimpleNamespace(run=lambda: [ROW])
    several = SimpleNamespace(parts=lambda: [Part("a", list), Part("b", list)])
    modules = {"benchmarks.one": one, "benchmarks.several": several}
    monkeypatch.setattr(importlib, "import_module", modules.__getitem__)
    assert progress.parts_of("one") == [Part("one", one.run)]
    assert [part.name for part in progress.parts_of("several")] == ["a", "b"]


@pytest.mark.parametrize(
    ("benchmark", "count"), [("actor", 4), ("learner", 4), ("replay", 1), ("growth", 8)]
)
def test_parts_have_names_of_their_own(benchmark, count):
    names = [part.name for part in progress.parts_of(benchmark)]
    assert len(set(names)) == len(names) == count
    assert all(benchmark in name for name in names)
