import sys

import pytest

from benchmarks import peers, training
from benchmarks.learning import systems
from benchmarks.learning.curve import Evaluation
from benchmarks.learning.systems import Quinoa, Setting, StableBaselines
from benchmarks.measure import BenchmarkError
from tests.launch import forked

SETTING = Setting("control:point_mass:easy", 0, 300, 100, 1)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    """Commands that take seconds are looked at every few tenths of one."""
    monkeypatch.setattr(systems, "_POLL_S", 0.2)


def with_script(monkeypatch, tmp_path, text):
    """A peer whose script is this text, run by this interpreter."""
    (tmp_path / "learning_curve.py").write_text(text)
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    monkeypatch.setattr(peers, "interpreter", lambda environment: sys.executable)
    return StableBaselines("Theirs", "sb3", "stable_baselines3.SAC", threads=1)


def test_what_a_peer_prints_are_its_evaluations(monkeypatch, tmp_path):
    peer = with_script(
        monkeypatch,
        tmp_path,
        "import json, sys\n"
        "assert '--algorithm=stable_baselines3.SAC' in sys.argv\n"
        "assert '--task=control:point_mass:easy' in sys.argv and '--threads=1' in sys.argv\n"
        "print('Welcome!')\n"
        "for i in range(3):\n"
        "    print(json.dumps({'seconds': i, 'steps': 100 * i, 'return': 5 * i}), flush=True)\n",
    )
    assert list(peer.learn(SETTING)) == [Evaluation(i, 100 * i, 5 * i) for i in range(3)]


def test_a_peer_that_fails_is_an_error_with_what_it_said(monkeypatch, tmp_path):
    peer = with_script(monkeypatch, tmp_path, "raise SystemExit('no such task')")
    with pytest.raises(BenchmarkError, match="no such task"):
        list(peer.learn(SETTING))


def test_ours_is_a_run_whose_evaluations_are_read_as_it_goes():
    flags = (
        *("--engine=serial", "--agent=iq", "--num_actors=1", "--environments_per_actor=1"),
        *("--set=hidden_sizes=8", "--set=min_replay_size=64", "--steps_per_call=1"),
        "--max_episode_steps=50",
    )
    with forked.starting(training):
        evaluations = list(Quinoa("Ours", flags, steps_per_update=2).learn(SETTING))
    assert evaluations[0].steps == 0
    # The setting has 300, for a system with an update for each.
    assert evaluations[-1].steps >= 600
    seconds = [each.seconds for each in evaluations]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert all(0 <= each.mean_return <= 50 for each in evaluations)


def test_a_run_of_ours_that_fails_is_an_error_with_what_it_said():
    with pytest.raises(BenchmarkError, match="no agent 'nobody'"):
        list(Quinoa("Ours", ("--agent=nobody",)).learn(SETTING))
