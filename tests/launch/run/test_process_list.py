from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess

import pytest

from quinoa.launch.errors import RunError
from quinoa.launch.run import process_list
from quinoa.launch.run.process_list import (
    ListedNode,
    NodeState,
    Processes,
    ProcessIdentity,
    ProcessList,
    this_process,
)
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

NODE = ListedNode("actor-0", Role.ACTOR, 7, NodeState.DOWN, restarts=2)
ELSEWHERE = dataclasses.replace(NODE, host="no-such-machine")


def test_what_is_written_is_read_again(tmp_path):
    folder = RunFolder(tmp_path)
    assert process_list.read(folder.processes) == Processes()
    processes = ProcessList(folder)
    assert process_list.read(folder.processes) == Processes(this_process())
    processes.write([NODE])
    assert process_list.read(folder.processes) == Processes(this_process(), (NODE,))
    assert json.loads(folder.processes.read_text())["nodes"] == [
        {"name": "actor-0", "role": "actor", "pid": 7, "state": "down", "restarts": 2}
    ]
    processes.write([NODE, ELSEWHERE])
    assert process_list.read(folder.processes).nodes == (NODE, ELSEWHERE)
    assert (NODE.is_here, ELSEWHERE.is_here) == (True, False)


def test_this_process_is_alive_and_another_one_of_its_number_is_not():
    own = this_process()
    assert own.is_alive()
    assert not dataclasses.replace(own, boot="another").is_alive()
    assert own.ticks is not None
    assert not dataclasses.replace(own, ticks=own.ticks + 1).is_alive()
    assert dataclasses.replace(own, host="another").is_alive() is None


def test_of_a_version_that_did_not_write_ticks_the_start_tells():
    own = this_process()
    fields = {"host": own.host, "pid": own.pid, "started": own.started}
    assert ProcessIdentity.from_json(fields).is_alive()
    assert not ProcessIdentity.from_json({**fields, "started": own.started + 100}).is_alive()


def test_a_process_that_has_ended_is_not_alive():
    # A zombie until it is waited for.
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        identity = ProcessIdentity(socket.gethostname(), process.pid, started=0.0)
        assert identity.is_alive() is False
    assert identity.is_alive() is False
    assert dataclasses.replace(identity, pid=-1).is_alive() is False


@pytest.mark.parametrize(
    "fields",
    [
        {"pid": "one"},
        {"pid": None},
        {"nodes": 3},
        {"nodes": [{}]},
        {"nodes": [{**dataclasses.asdict(NODE), "state": "unheard of"}]},
    ],
)
def test_a_damaged_list_is_one_error_that_names_the_file(tmp_path, fields):
    path = tmp_path / "processes.json"
    path.write_text(json.dumps({**this_process().to_json(), "nodes": [], **fields}))
    with pytest.raises(RunError, match=f"{path} is damaged, or of another version"):
        process_list.read(path)
