from __future__ import annotations

import json
import multiprocessing

import pytest

from quinoa.launch.errors import RunError
from quinoa.launch.run import events
from quinoa.launch.run.events import EventKind, LoggedEvent


def _append_many(path, name):
    for i in range(200):
        events.append(path, EventKind.BACK, name, number=i, text="x" * 200)


def test_lines_of_several_processes_do_not_mix(tmp_path):
    path = tmp_path / "events.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(path, f"actor-{i}")) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for i in range(3):
        assert [x["number"] for x in lines if x["node"] == f"actor-{i}"] == list(range(200))
    assert {line["event"] for line in lines} == {"back"}
    assert all(line["wall_time"] > 0 for line in lines)


def test_a_line_that_cannot_be_written_waits(tmp_path):
    path = tmp_path / "nowhere" / "events.jsonl"
    events.append(path, EventKind.BACK, "actor-0", number=1)
    assert not path.parent.exists()
    assert not events.flush(path)
    path.parent.mkdir()
    events.append(path, EventKind.BACK, "actor-0", number=2)
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2]
    assert events.flush(path)


def test_the_latest_events_are_read_as_records(tmp_path):
    path = tmp_path / "events.jsonl"
    assert events.latest(path) == []
    events.append(path, EventKind.FAILED, "actor-0", reason="it broke", kind="raised")
    events.append(path, EventKind.REPLAY_FULL, "learner-0", text="It is full.")
    failed, full = events.latest(path)
    assert (failed.kind, failed.node, failed.text) == (EventKind.FAILED, "actor-0", "it broke")
    assert failed.details == {"reason": "it broke", "kind": "raised"}
    assert (full.kind, full.text) == (EventKind.REPLAY_FULL, "It is full.")
    assert full.wall_time >= failed.wall_time > 0


def test_events_of_another_version_and_damaged_lines_are_no_error(tmp_path):
    path = tmp_path / "events.jsonl"
    known = {"wall_time": 1.0, "event": "moved", "node": "actor-0"}
    bad = [{**known, "wall_time": "now"}, {"event": "moved"}, [], 3, None]
    lines = ["\0\0", "nonsense", *map(json.dumps, bad), json.dumps(known), '{"wall_time"']
    path.write_text("\n".join(lines))
    assert events.latest(path) == [LoggedEvent("moved", "actor-0", 1.0, {})]


def test_events_that_cannot_be_read_are_one_error(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        events.latest(tmp_path)
