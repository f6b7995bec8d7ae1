from __future__ import annotations

import csv

import pytest

from benchmarks import cluster_report
from benchmarks.cluster_report import Level


def level(actors: int, steps_s: float, **more: float) -> Level:
    fields = {
        "learner_steps_s": 2.0,
        "parameter_age": 1.0,
        "parameter_age_s": 0.5,
        "rows_s": float(actors),
        "sent_kb_s": 10.0,
        "actor_mb": 20.0,
        "available_mb": 4000.0,
        **more,
    }
    cores = {"actors": 0.1 * actors, "learner": 0.2}
    return Level(
        actors=actors,
        ideal_steps_s=2.0 * actors,
        steps_s=steps_s,
        cores=cores,
        num_failures=0,
        **fields,
    )


LEVELS = [level(1, 2.0), level(4, 7.9), level(16, 20.0)]


def test_the_table_has_a_row_for_each_number_of_actors():
    lines = cluster_report.table(LEVELS).splitlines()
    assert len(lines) == 5
    assert "cores: actors, learner; all" in lines[0]
    assert lines[4].startswith(
        "| 16 | 20.0 | 62% | 2.00 | 1.0, 0.50 | 16 | 10 | 1.60, 0.20; 1.80 |"
    )


def test_where_it_bends_is_said_with_what_works_most_then():
    assert cluster_report.bend(LEVELS) == (
        "With 16 actors the rate is 62% of the ideal. All processes use 1.80 cores, of which "
        "actors 1.60."
    )
    assert "90% of the ideal or more, up to 4 actors" in cluster_report.bend(LEVELS[:2])


def test_no_more_actors_are_started_than_memory_has_room_for():
    last = level(16, 32.0, actor_mb=20.0, available_mb=3000.0)
    assert cluster_report.why_no_more(last, 64, reserve_mb=1000.0) is None
    reason = cluster_report.why_no_more(last, 128, reserve_mb=1000.0)
    assert reason is not None
    assert reason.startswith("112 more of 20 MB take 2.2 GB of memory, and 3.0 GB are left")


@pytest.mark.parametrize("number", [1, 3])
def test_everything_is_written(tmp_path, number):
    folder = tmp_path / "new"
    cluster_report.write(LEVELS[:number], folder, "four hosts")
    text = (folder / "scaling.md").read_text()
    assert text.startswith("four hosts\n") and cluster_report.table(LEVELS[:number]) in text
    with (folder / "scaling.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["actors"]) for row in rows] == [1, 4, 16][:number]
    assert float(rows[0]["share"]) == 1.0 and float(rows[0]["cores_learner"]) == 0.2
    assert (folder / "scaling.png").read_bytes().startswith(b"\x89PNG")
