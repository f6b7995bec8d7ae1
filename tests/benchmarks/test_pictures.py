import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.measure import Comparison, Point


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn."""
    figures: list[Figure] = []
    monkeypatch.setattr(plt, "close", figures.append)
    yield figures
    monkeypatch.undo()
    plt.close("all")


def point(curve, value, ours, reference):
    return Comparison(
        "growth", curve, "steps/s", ours, "bare", reference, point=Point(curve, "cores", value)
    )


def test_each_curve_has_a_panel_with_its_limit(tmp_path, drawn):
    points = [
        point("by cores", 1, (10.0, 12.0, 11.0), (20.0, 20.0, 20.0)),
        point("by cores", 2, (18.0, 19.0, 20.0), (40.0, 40.0, 40.0)),
        *(point(f"by {name}", 1, (1.0,), (100.0,)) for name in ("batch", "width", "K")),
    ]
    pictures.curves(points, tmp_path / "growth.png")
    (figure,) = drawn
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["by cores", "by batch", "by width", "by K"]
    ours, limit = panels[0].lines
    assert ours.get_xydata().tolist() == [[1, 11], [2, 19]]
    assert limit.get_xydata().tolist() == [[1, 20], [2, 40]]
    assert limit.get_label() == "limit: bare"
    assert [axes.get_yscale() for axes in panels] == ["linear", "log", "log", "log"]
