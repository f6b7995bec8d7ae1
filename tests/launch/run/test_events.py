from __future__ import annotations

import json
import multiprocessing

from quinoa.launch.run import events


def _append_many(path, name):
    for i in range(200):
        events.append(path, "happened", name, number=i, text="x" * 200)


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
    assert {line["event"] for line in lines} == {"happened"}
    assert all(line["wall_time"] > 0 for line in lines)


def test_a_line_that_cannot_be_written_waits(tmp_path):
    path = tmp_path / "nowhere" / "events.jsonl"
    events.append(path, "happened", "actor-0", number=1)
    assert not path.parent.exists()
    assert not events.flush(path)
    path.parent.mkdir()
    events.append(path, "happened", "actor-0", number=2)
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2]
    assert events.flush(path)
