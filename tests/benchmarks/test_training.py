from __future__ import annotations

from benchmarks.training import ActorRows
from quinoa.launch.run.run_folder import RunFolder


def test_rows_of_actors_are_read_from_a_moment_on_and_whole(tmp_path):
    folder = RunFolder(tmp_path)
    rows = ActorRows(folder)
    assert rows.position == 0
    assert rows.since(0).actor.nunique() == 0
    path = folder.metrics("actor")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("actor,parameter_age\n0,1.5\n1,2.5\n2,3")
    assert rows.since(0).actor.tolist() == [0, 1]
    position = rows.position
    with path.open("a") as file:
        file.write(".5\n0,4.5\n")
    assert rows.since(position).parameter_age.tolist() == [3.5, 4.5]
    assert rows.since(rows.position).empty
