import subprocess
import sys

import pytest

from benchmarks import peers


def run(*flags, cwd):
    command = [sys.executable, "-m", "benchmarks", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def test_an_unknown_benchmark_is_one_clear_line(request):
    done = run("--only=actor,speed", cwd=request.config.rootpath)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("benchmarks: --only takes names out of actor, replay, learner")
    assert done.stderr.count("\n") == 1


def test_a_peer_that_is_not_installed_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "_ROOT", tmp_path)
    with pytest.raises(peers.PeerError, match="acme is not installed: make bench-peers"):
        peers.require()
