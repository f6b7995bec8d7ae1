import json

from benchmarks import report
from benchmarks.measure import Comparison, Point

COMPARISONS = [
    Comparison("actor", "cheetah", "steps/s", (20000.0, 19000.0), "bare", (25000.0, 25000.0), 0.7),
    Comparison("system", "even", "steps/s", (300.0,), "Acme", (50.0,), 8.0, note="busy"),
    Comparison("start", "first step", "s", (9.0,), "Acme", (18.0,), lower_is_better=True),
]


def test_the_table_has_medians_ranges_ratios_and_goals():
    lines = report.table(COMPARISONS).splitlines()
    assert len(lines) == 5
    assert "19,500 [19,000–20,000] steps/s" in lines[2]
    assert "0.780 [0.760–0.800]" in lines[2]
    assert "≥ 0.7: holds" in lines[2]
    assert "even (busy)" in lines[3]
    assert "≥ 8: missed" in lines[3]
    assert lines[4].split(" | ")[4:] == ["2.00", " |"]


def test_everything_is_written(tmp_path):
    folder = tmp_path / "new"
    written = report.write(COMPARISONS, folder, "make bench")
    assert written == ["results.md", "results.json", "results.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(written)
    document = json.loads((folder / "results.json").read_text())
    assert document["command"] == "make bench"
    assert [c["holds"] for c in document["comparisons"]] == [True, False, None]
    assert report.table(COMPARISONS) in (folder / "results.md").read_text()
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")


def test_points_of_curves_are_drawn_apart_and_are_rows_of_the_same_table(tmp_path):
    curve = [
        Comparison("growth", f"{x} cores", "steps/s", (x,), "limit", (2.0 * x,), point=point)
        for x in (1, 2)
        for point in [Point("by cores", "cores", x)]
    ]
    assert report.write(curve, tmp_path, "make bench-growth") == [
        *("results.md", "results.json", "growth.png")
    ]
    assert not (tmp_path / "results.png").exists()
    assert "results.png" in report.write([*curve, *COMPARISONS], tmp_path, "all")
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["comparisons"][1]["point"] == {"curve": "by cores", "axis": "cores", "value": 2}
    assert len((tmp_path / "results.md").read_text().splitlines()) == 2 + 2 + 5
