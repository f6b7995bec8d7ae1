import pytest

from benchmarks import start


@pytest.mark.slow
def test_starts_are_measured_from_outside(monkeypatch):
    monkeypatch.setattr(start, "_ROUNDS", 1)
    monkeypatch.setattr(start, "_SETTLE_S", 0.0)
    learned, acted, memory = start.run()
    assert acted.ours[0] < learned.ours[0]
    assert learned.reference[0] < learned.ours[0]
    assert 0.0 < memory.ours[0] < memory.reference[0]
