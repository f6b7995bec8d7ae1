import subprocess

import pytest

from benchmarks import peers


def test_a_peer_that_is_not_installed_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "ROOT", tmp_path)
    with pytest.raises(peers.PeerError, match="acme is not installed: make bench-peers"):
        peers.require()


def test_a_peer_whose_repository_could_not_be_reached_is_not_required(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "ROOT", tmp_path)
    for environment in ("acme", "sb3", "sbx"):
        interpreter = tmp_path / f".venv-{environment}/bin/python"
        interpreter.parent.mkdir(parents=True)
        interpreter.touch()
    peers.require()
    assert peers.SBX_SAC.is_installed
    assert not peers.CLEANRL_SAC.is_installed


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_a_peer_has_pinned_packages_a_script_and_the_common_settings(peer, request):
    folder = request.config.rootpath / "benchmarks/peers"
    lines = (folder / peer.environment / "requirements.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert all(line.count("==") == 1 for line in packages)
    assert len(packages) == len({line.partition("==")[0] for line in packages})
    assert (folder / peer.script).is_file()

    given = {flag.partition("=")[0].replace("-", "_"): flag for flag in peer.flags + peer.arguments}
    of_task = given.get("__task") or given["__env_id"]
    assert of_task.endswith(f"={peer.setting.task}")
    assert given["__batch_size"].endswith(f"={peer.setting.batch_size}")
    assert given["__learning_starts"] == f"--learning_starts={peers.LEARNING_STARTS}"


def test_physics_is_the_same_in_all(request):
    folder = request.config.rootpath
    files = [folder / "requirements.txt", *folder.glob("benchmarks/peers/*/requirements.txt")]
    versions = {
        line for file in files for line in file.read_text().splitlines() if "mujoco==" in line
    }
    assert len(files) == 6
    assert len(versions) == 1


def test_a_peer_has_to_keep_the_ratio_of_its_setting(monkeypatch):
    answer = {"steps_per_second": 100.0, "updates_per_second": 99.0, "gflop": 0.6}
    asked = []

    def run(*command):
        asked.append(command)
        return answer

    monkeypatch.setattr(peers, "run", run)
    assert peers.SB3_SAC.run(5.0, threads=1) == answer
    assert {"--seconds=5.0", "--threads=1"} <= set(asked[0])
    answer["updates_per_second"] = 50.0
    with pytest.raises(peers.PeerError, match="50 gradient steps/s and 100 environment steps/s"):
        peers.SB3_SAC.run(5.0, threads=None)
    with pytest.raises(peers.PeerError, match="the ratio was not kept"):
        peers.check_ratio("ours", 0.0, 0.0)
    answer["updates_per_second"] = 100.0 / 80
    assert peers.SB3_A2C.run(5.0, threads=1) == answer
    assert "--steps_per_update=80" in asked[-1]


def test_a_peer_that_gives_no_answer_is_ended(monkeypatch):
    monkeypatch.setattr(peers, "_TIMEOUT_S", 0.2)
    status, _, errors = peers.execute(["sleep", "60"])
    assert status
    assert "took longer than 0 s, and was ended" in errors


def test_a_script_runs_by_the_interpreter_of_its_environment(tmp_path, monkeypatch):
    interpreter = tmp_path / ".venv-own/bin/python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text("#!/bin/sh\necho noise\necho '{\"seconds\": '$2'}'\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(peers, "ROOT", tmp_path)
    assert peers.run("own", "script.py", "7") == {"seconds": 7}


def test_a_repository_that_cannot_be_reached_is_said_and_leaves_nothing(tmp_path, request):
    for name in ("find_python.sh", "peers.sh"):
        target = tmp_path / "scripts" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((request.config.rootpath / "scripts" / name).read_bytes())
    peer = tmp_path / "benchmarks/peers/cleanrl"
    peer.mkdir(parents=True)
    (peer / "requirements.txt").write_text("")
    (peer / "source").write_text(f"{tmp_path}/nowhere 0123\n")
    done = subprocess.run(
        ["bash", "scripts/peers.sh", "cleanrl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "nowhere" in done.stderr
    assert "the repository of cleanrl cannot be reached, for the reason above" in done.stderr
    assert not (tmp_path / ".venv-cleanrl").exists()
