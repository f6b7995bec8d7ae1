import pytest

from benchmarks.growth import learner
from benchmarks.setting import TASK

SMALL = {"hidden_sizes": [8, 8]}


@pytest.mark.parametrize(
    ("num_cores", "counts"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])],
)
def test_cores_are_doubled_up_to_all(num_cores, counts):
    assert learner.core_counts(num_cores) == counts


def test_cases_are_run_one_by_one_each_beside_its_products(monkeypatch):
    monkeypatch.setattr(learner, "_SECONDS", 0.01)
    cases = [({**SMALL, "batch_size": size}, count) for size, count in ((2, 3), (4, 1))]
    results = list(learner.one_by_one(TASK, "iq", cases))
    assert [len(graphs) for graphs, _ in results] == [learner._ROUNDS] * 2
    assert [len(products) for _, products in results] == [learner._ROUNDS] * 2


def test_a_learner_is_ready_before_its_first_round():
    rounds = learner.rounds(TASK, "iq", steps_per_call=1, seconds=0.01)
    assert next(rounds) is None
    graph, products = next(rounds)
    assert 0.0 < graph < products


def test_each_curve_varies_one_thing_of_what_it_says():
    for name, cases in learner.sweeps().items():
        assert len({case.axis for case in cases}) == 1
        values = [case.value for case in cases]
        assert values == sorted(set(values))
        for case in cases:
            varied = {
                "batch": {"batch_size": case.value},
                "width": {"hidden_sizes": [case.value] * 2},
                "K": {},
            }
            assert case.settings == varied[name]
            assert name != "K" or case.steps_per_call == case.value
