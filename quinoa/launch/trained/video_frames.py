"""Composes the frames of a video: a grid of episodes, and charts of their values below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis.plots import COLOURS

if TYPE_CHECKING:
    from quinoa.launch.trained.playback import PlaybackStep

Frame = npt.NDArray[np.uint8]

_WHITE, _BLACK, _GREY = (255, 255, 255), (0, 0, 0), (90, 90, 90)
# Sizes in pixels.
_TITLE, _CAPTION, _GAP = 28, 22, 4
_CHART_HEIGHT, _LEAST_CHART_WIDTH = 150, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 14, 10, 38
_DPI = 100
# The greatest width of a frame: half of x264's limit, and wider than any screen.
_MAX_WIDTH = 8192
# The brightness of the picture of an episode that has ended.
_OVER = 0.5
# The initial length of a chart's axis, in steps.
_FIRST_STEPS = 100


def num_columns(count: int) -> int:
    """The number of columns of a grid of `count` episodes."""
    return math.ceil(math.sqrt(count))


def max_picture_width(count: int) -> int:
    """The greatest width, in pixels, of each picture in a grid of `count` episodes."""
    return (_MAX_WIDTH - _GAP) // num_columns(count) - _GAP


class VideoFrames:
    """Composes frames of one size, whose height and width are even."""

    def __init__(
        self,
        title: str,
        picture_sizes: Sequence[tuple[int, int]],
        *,
        length: int,
        has_value: bool,
        has_entropy: bool = True,
        entropy_label: str = "entropy (nats)",
    ):
        """Lays the frame out.

        Args:
            title: a line at the top.
            picture_sizes: the height and width of each episode's picture.
            length: the greatest number of steps.
            has_value: whether there is a chart of V(s).
            has_entropy: whether there is one of the policy's entropy.
            entropy_label: the label of the entropy's chart.
        """
        count = len(picture_sizes)
        self._columns = num_columns(count)
        rows = math.ceil(count / self._columns)
        self._cell_height = max(height for height, _ in picture_sizes) + _CAPTION
        self._cell_width = max(width for _, width in picture_sizes)
        grid_width = self._columns * (self._cell_width + _GAP) + _GAP
        self._width = _even(max(grid_width, _LEAST_CHART_WIDTH))
        self._left = (self._width - grid_width) // 2 + _GAP
        self._charts_top = _TITLE + rows * (self._cell_height + _GAP)
        labels = ["value V(s)"] * has_value + [entropy_label] * has_entropy
        self._charts = _Charts(labels, count, self._width, length)
        self._height = _even(self._charts_top + self._charts.height)
        self._base = self._make_base(title)
        self._pictures: list[Frame | None] = [None] * count
        self._over = np.zeros(count, np.bool_)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every frame."""
        return self._height, self._width

    def add_values(self, step: PlaybackStep) -> None:
        """Adds the values of a step to the charts."""
        values = [each for each in (step.value, step.entropy) if each is not None]
        self._charts.add(step.step, step.running, values)

    def needs_picture(self, index: int) -> bool:
        """Whether `compose` needs a new picture of an episode, as its end has not been drawn."""
        return not self._over[index]

    def compose(self, step: PlaybackStep, pictures: Sequence[Frame | None]) -> Frame:
        """Composes the frame of a step whose values have been added.

        Args:
            step: the step.
            pictures: uint8 [H, W, 3] of each episode, None where no picture is needed.

        Returns:
            The frame, uint8 [height, width, 3].
        """
        from PIL import ImageDraw

        image = self._base.copy()
        draw = ImageDraw.Draw(image)
        for i, picture in enumerate(pictures):
            over = not step.running[i]
            if picture is not None:
                self._pictures[i] = (picture * _OVER).astype(np.uint8) if over else picture
            self._over[i] = over
            self._draw_cell(image, draw, i, step)
        frame = np.array(image)
        frame[self._charts_top : self._charts_top + self._charts.height] = self._charts.draw()
        return frame

    def _make_base(self, title: str) -> Any:
        from PIL import Image, ImageDraw

        image = Image.new("RGB", (self._width, self._height), _WHITE)
        draw = ImageDraw.Draw(image)
        for size in (15, 14, 13, 12, 11, 10, 9, 8):
            font = _font(size)
            if draw.textlength(title, font=font) <= self._width - 2 * _GAP:
                break
        draw.text((self._width / 2, _TITLE / 2), title, fill=_BLACK, font=font, anchor="mm")
        return image

    def _draw_cell(self, image: Any, draw: Any, i: int, step: PlaybackStep) -> None:
        from PIL import Image

        row, column = divmod(i, self._columns)
        x = self._left + column * (self._cell_width + _GAP)
        y = _TITLE + row * (self._cell_height + _GAP)
        middle = y + _CAPTION / 2
        draw.rectangle((x, middle - 5, x + 10, middle + 5), fill=COLOURS[i % len(COLOURS)])
        over = "" if step.running[i] else " (over)"
        length, value = step.lengths[i], step.returns[i]
        for size, text in (
            (13, f"episode {i + 1}{over}   step {length}   return {value:.1f}"),
            (12, f"step {length}, return {value:.1f}{over}"),
            (11, f"{length}: {value:.1f}"),
        ):
            font = _font(size)
            if draw.textlength(text, font=font) <= self._cell_width - 24:
                break
        draw.text((x + 16, middle), text, fill=_GREY if over else _BLACK, font=font, anchor="lm")
        picture = self._pictures[i]
        if picture is not None:
            indent = (self._cell_width - picture.shape[1]) // 2
            image.paste(Image.fromarray(picture), (x + indent, y + _CAPTION))


class _Charts:
    """A chart for each quantity, with a line for each episode.

    The background, which is most of a chart, is drawn once and reused; the axes' limits grow in
    large steps, so that it seldom changes.
    """

    def __init__(self, labels: Sequence[str], num_lines: int, width: int, length: int):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        beside = width >= len(labels) * _LEAST_CHART_WIDTH
        rows, columns = (1, len(labels)) if beside else (len(labels), 1)
        self.height = rows * _CHART_HEIGHT if labels else 0
        self._length = length
        # A figure must have a height, also where there is nothing to draw on it.
        figure = Figure(figsize=(width / _DPI, max(self.height, 1) / _DPI), dpi=_DPI)
        self._canvas = FigureCanvasAgg(figure)
        self._axes, self._lines, self._ends = [], [], []
        for index, label in enumerate(labels):
            row, column = divmod(index, columns)
            cell = width / columns
            left, right = column * cell + _LEFT, (column + 1) * cell - _RIGHT
            bottom = (rows - 1 - row) * _CHART_HEIGHT + _BOTTOM
            height = _CHART_HEIGHT - _BOTTOM - _TOP
            axes = figure.add_axes(
                (
                    left / width,
                    bottom / self.height,
                    (right - left) / width,
                    height / self.height,
                )
            )
            axes.set_ylabel(label, fontsize=9)
            axes.set_xlabel("step (actions)", fontsize=9)
            axes.tick_params(labelsize=8)
            axes.locator_params(axis="y", nbins=4)
            axes.grid(alpha=0.3)
            axes.set_xlim(0, min(_FIRST_STEPS, length))
            colours = [COLOURS[i % len(COLOURS)] for i in range(num_lines)]
            # Lines are drawn in each frame, on the stored background.
            options: dict[str, Any] = {"animated": True, "clip_on": True}
            self._lines.append(
                [axes.plot([], [], color=c, linewidth=1.3, **options)[0] for c in colours]
            )
            self._ends.append(
                [axes.plot([], [], "o", color=c, markersize=4, **options)[0] for c in colours]
            )
            self._axes.append(axes)
        self._steps: list[list[int]] = [[] for _ in range(num_lines)]
        self._values: list[list[list[float]]] = [[[] for _ in range(num_lines)] for _ in labels]
        self._limits: list[tuple[float, float] | None] = [None] * len(labels)
        self._background: Any = None

    def add(self, step: int, running: npt.NDArray[np.bool_], values: Sequence[Any]) -> None:
        """Adds a step's values, [N] for each chart, of the running episodes only.

        The values and entropies of an episode's final state have no meaning.
        """
        for i in np.flatnonzero(running):
            self._steps[i].append(step)
            for of_chart, new in zip(self._values, values, strict=True):
                of_chart[i].append(float(new[i]))
        for index, new in enumerate(values):
            self._grow_limits(index, np.asarray(new)[running])
        while self._axes and step > self._axes[0].get_xlim()[1]:
            for axes in self._axes:
                axes.set_xlim(0, min(2 * axes.get_xlim()[1], self._length))
            self._background = None

    def _grow_limits(self, index: int, new: npt.NDArray[np.float32]) -> None:
        new = new[np.isfinite(new)]
        if not new.size:
            return
        low, high = float(new.min()), float(new.max())
        limits = self._limits[index]
        if limits is None:
            margin = max(0.1 * abs(high), 0.1 * abs(low), high - low, 0.5)
            self._limits[index] = low - margin, high + margin
        elif low < limits[0] or high > limits[1]:
            margin = 0.25 * (max(high, limits[1]) - min(low, limits[0]))
            self._limits[index] = (
                low - margin if low < limits[0] else limits[0],
                high + margin if high > limits[1] else limits[1],
            )
        else:
            return
        low, high = self._limits[index] or (0.0, 1.0)
        self._axes[index].set_ylim(low, high)
        self._background = None

    def draw(self) -> Frame:
        """Draws the charts as a picture, uint8 [height, width, 3]."""
        if self._background is None:
            self._canvas.draw()
            self._background = self._canvas.copy_from_bbox(self._canvas.figure.bbox)
        self._canvas.restore_region(self._background)
        for axes, lines, ends, values in zip(
            self._axes, self._lines, self._ends, self._values, strict=True
        ):
            for line, end, x, y in zip(lines, ends, self._steps, values, strict=True):
                line.set_data(x, y)
                end.set_data(x[-1:], y[-1:])
                axes.draw_artist(line)
                axes.draw_artist(end)
        picture: Frame = np.asarray(self._canvas.buffer_rgba())[: self.height, :, :3]
        return picture


def _even(size: int) -> int:
    """Rounds up to an even size: a video's colours have half its resolution."""
    return size + size % 2


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
