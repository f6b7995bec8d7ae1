import json

from benchmarks import report
from benchmarks.measure import Comparison

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
    report.write(COMPARISONS, folder, "make bench")
    document = json.loads((folder / "results.json").read_text())
    assert document["command"] == "make bench"
    assert [c["holds"] for c in document["comparisons"]] == [True, False, None]
    assert report.table(COMPARISONS) in (folder / "results.md").read_text()
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")
