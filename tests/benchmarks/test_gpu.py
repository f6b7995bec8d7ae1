from typing import Any, ClassVar

import pytest

from benchmarks import gpu, stage
from benchmarks.measure import BenchmarkError
from quinoa.agents import registry
from quinoa.launch.machine import sizing


class FakeStage:
    """Answers as a learner of so many steps per second would: more of them with XLA on a GPU."""

    placed: ClassVar[list[tuple[dict[str, Any], bool]]] = []

    def __init__(self, function, arguments, *, threads, gpu):
        assert function == "benchmarks.gpu:speeds"
        self.placed.append((arguments, gpu))
        self._speed = 8.0 if gpu and arguments.get("jit_compile", True) else 2.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def answer(self):
        return 5.0

    def ask(self):
        return self._speed


def test_without_a_gpu_there_is_nothing_to_measure(monkeypatch):
    monkeypatch.setattr(sizing, "has_gpu", lambda _: False)
    with pytest.raises(BenchmarkError, match="needs an NVIDIA GPU"):
        gpu.parts()


def test_each_learner_takes_turns_with_the_same_on_the_cores_or_without_xla(monkeypatch):
    monkeypatch.setattr(sizing, "has_gpu", lambda _: True)
    monkeypatch.setattr(stage, "Stage", FakeStage)
    monkeypatch.setattr(FakeStage, "placed", [])
    rows = [row for part in gpu.parts() for row in part.run()]
    assert len(rows) == sum(map(len, gpu.cases().values()))
    assert {row.ratio for row in rows} == {4.0}
    assert rows[0].note == "made, compiled and through its first call in 5 s"
    pairs = list(zip(FakeStage.placed[::2], FakeStage.placed[1::2], strict=True))
    for (ours, on_gpu), (reference, _) in pairs:
        assert on_gpu and ours["on_gpu"]
        assert {"agent", "settings"} <= ours.keys()
        assert (ours["agent"], ours["settings"]) == (reference["agent"], reference["settings"])
    # All but the last are beside the cores.
    assert [on_gpu for _, (_, on_gpu) in pairs] == [False] * (len(pairs) - 1) + [True]


def test_a_learner_does_steps(monkeypatch):
    monkeypatch.setattr(gpu, "_SECONDS", 0.05)
    learner = gpu.speeds("iq", {"hidden_sizes": [8], "batch_size": 4}, 2, on_gpu=False)
    assert next(learner) > 0
    assert next(learner) > 0


def test_a_gpu_that_tensorflow_does_not_find_is_an_error():
    with pytest.raises(BenchmarkError, match="finds no GPU"):
        next(gpu.speeds("iq", {}, 2, on_gpu=True))


def test_the_agents_of_all_cases_are_there():
    for of_part in gpu.cases().values():
        for case in of_part:
            assert registry.load(case.agent)
