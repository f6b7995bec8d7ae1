import os
import socket
import time

import psutil
import pytest

from benchmarks import stage
from quinoa.launch.machine import process_environment, sizing

HERE = "tests.benchmarks.test_stage"


def add(first, second):
    print("something that a library says")
    return {"sum": first + second, "cores": sorted(os.sched_getaffinity(0))}


def serve():
    yield "ready"


def count():
    yield from range(3)


def fail():
    raise ZeroDivisionError("for a reason")


def interfaces():
    return [name for _, name in socket.if_nameindex()]


def test_a_stage_returns_its_answer_from_the_cores_it_was_given():
    core = stage.usable_cores()[-1]
    answer = stage.call(f"{HERE}:add", {"first": 2, "second": 3}, cores=[core])
    assert answer == {"sum": 5, "cores": [core]}


def test_a_service_runs_until_it_is_closed():
    with stage.Stage(f"{HERE}:serve", {}) as service:
        assert service.answer() == "ready"
        process = psutil.Process(service.process_id)
        time.sleep(0.1)
        assert process.is_running()
    assert not process.is_running()


def test_services_take_turns():
    with stage.Stage(f"{HERE}:count", {}) as one, stage.Stage(f"{HERE}:count", {}) as other:
        assert [one.answer(), other.answer(), one.ask(), one.ask(), other.ask()] == [0, 0, 1, 2, 1]


def test_a_service_that_is_asked_for_more_than_it_has_says_so():
    with stage.Stage(f"{HERE}:count", {}) as service:
        assert [service.answer(), service.ask(), service.ask()] == [0, 1, 2]
        for _ in range(2):
            with pytest.raises(stage.StageError, match="ended with status 1"):
                service.ask()


def test_a_stage_that_fails_says_why():
    with pytest.raises(stage.StageError, match="ZeroDivisionError: for a reason"):
        stage.call(f"{HERE}:fail", {})


def test_stages_share_a_network_that_has_the_loopback_alone():
    with stage.network() as network:
        if not network:
            pytest.skip("No private network can be made here.")
        assert stage.call(f"{HERE}:interfaces", {}, network=network) == ["lo"]


def gpus():
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def test_a_stage_sees_the_gpu_if_it_may_though_this_process_hides_it_from_itself(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setattr(stage, "_inherited", {})
    stage.inherit(process_environment.set_for_this_process(os.environ, needs_room=False))
    try:
        assert gpus() == "-1"
        assert sizing.has_gpu(stage.inherited()) == sizing.has_gpu({})
        assert [stage.call(f"{HERE}:gpus", {}, gpu=gpu) for gpu in (True, False)] == ["3", "-1"]
    finally:
        os.environ.clear()
        os.environ.update(stage.inherited())
