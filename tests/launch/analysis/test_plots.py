from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from quinoa.launch.analysis import plots
from quinoa.launch.analysis.curves import AXES, Curve
from quinoa.launch.analysis.plots import Band, Panel
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.written_runs import write_run

PNG = b"\x89PNG"


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved, as they are."""
    figures = []
    save = plots.save

    def keep(figure, path):
        figures.append(figure)
        return save(figure, path)

    monkeypatch.setattr(plots, "save", keep)
    return figures


def curve(*returns: float, end: float = 10.0) -> Curve:
    return Curve(np.linspace(0, end, len(returns)), np.array(returns))


def labels(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_draws_a_run(tmp_path, drawn):
    folder = write_run(tmp_path, [1.0, 2.0, 3.0])
    path = plots.plot_run(folder, "title")
    assert path == folder.learning_curve
    assert path.read_bytes().startswith(PNG)
    assert drawn[0].axes[0].get_xlabel() == "actor steps (actions)"


def test_draws_a_run_that_has_hardly_begun(tmp_path):
    assert plots.plot_run(RunFolder(tmp_path), "title").is_file()


def test_draws_a_subplot_for_each_panel_and_one_legend(tmp_path, drawn):
    panels = [
        Panel("first", {"one": [curve(1, 2), curve(3, 4), curve(9, 9)], "other": [curve(0, 1)]}),
        Panel("second", {"other": [curve(0, 1)]}),
    ]
    path = tmp_path / "new" / "picture.png"
    assert plots.plot_panels(panels, path, axis="hours") == path
    assert path.read_bytes().startswith(PNG)
    first, second = drawn[0].axes
    assert [first.get_title(), second.get_title()] == ["first", "second"]
    assert first.get_xlabel() == second.get_xlabel() == AXES["hours"]
    assert labels(drawn[0]) == ["one (3 runs)", "other"]
    # The median, and the same colour for the same label.
    assert first.lines[0].get_ydata().tolist() == [3, 4]
    assert second.lines[0].get_color() == first.lines[1].get_color() != first.lines[0].get_color()


def test_the_band_ends_where_a_run_does_and_the_others_go_on_as_a_thin_line(tmp_path, drawn):
    runs = [curve(0, 10), curve(0, 20, end=20), curve(0, 30, end=20)]
    plots.plot_panels([Panel("title", {"one": runs})], tmp_path / "x.png")
    shared, left = drawn[0].axes[0].lines
    assert shared.get_xdata().max() == 10
    assert left.get_xdata().min() > 10
    assert (left.get_xdata()[-1], left.get_ydata()[-1]) == (20, 25)
    assert left.get_linestyle() == ":"


def test_as_many_lines_as_it_can_draw_all_look_different(tmp_path, drawn):
    lines = {str(i): [curve(0, i)] for i in range(plots.MAX_LINES)}
    plots.plot_panels([Panel("title", lines)], tmp_path / "x.png")
    looks = {(line.get_color(), line.get_linestyle()) for line in drawn[0].axes[0].lines}
    assert len(looks) == plots.MAX_LINES


def test_nothing_of_a_picture_lies_on_anything_else(tmp_path, drawn):
    lines = {f"some agent, some setting = {i}": [curve(0, i, end=8e5)] for i in range(12)}
    panels = [Panel(f"environment {i}", lines) for i in range(4)]
    plots.plot_panels(panels, tmp_path / "x.png")
    figure = drawn[0]
    boxes = [axes.get_tightbbox() for axes in figure.axes] + [figure.legends[0].get_window_extent()]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 + 1
    for axes in figure.axes:
        ticks = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert len(ticks) > 2
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(ticks))


def test_draws_bands_with_and_without_an_interval(tmp_path, drawn):
    x = np.arange(3.0)
    lines = {"one": Band(x, x, x - 1, x + 1), "other": Band(x, 2 * x)}
    path = plots.plot_bands(
        {"mean": lines, "median": lines},
        tmp_path / "x.png",
        title="all",
        xlabel="steps",
        ylabel="score",
        level=1.0,
    )
    assert path.read_bytes().startswith(PNG)
    assert [len(axes.collections) for axes in drawn[0].axes] == [1, 1]
    assert labels(drawn[0]) == ["one", "other"]


@pytest.mark.parametrize("text", ["a$\\foo$b", "$", "a\\$b$", "no formula"])
def test_a_literal_text_is_no_formula(text):
    from matplotlib.figure import Figure

    drawn: Any = Figure().text(0, 0, "")
    assert drawn._preprocess_math(plots.literal(text)) == (text, False)
