"""The page of a sweep that `quinoa status` shows."""

from __future__ import annotations

import collections

from rich.console import Group, RenderableType
from rich.text import Text

from quinoa.launch.sweep import overview, progress
from quinoa.launch.sweep.overview import Overview, RunRow
from quinoa.launch.terminal.numbers import count, duration
from quinoa.launch.terminal.output import command
from quinoa.launch.terminal.progress_bar import progress_row
from quinoa.launch.terminal.redrawn_lines import BLUE, ORANGE
from quinoa.launch.terminal.wrapping import WrappedText

# States by falling importance, for choosing what to show if there is no room for all runs.
_ORDER = (
    overview.RUNNING,
    overview.SILENT,
    overview.DIED,
    overview.FAILED,
    "killed",
    "stopped",
    overview.FINISHED,
    overview.WAITING,
)
_BAD = (overview.SILENT, overview.DIED, overview.FAILED)
# How many lines the page has besides those of the runs.
_OTHER_LINES = 8


def draw(sweep: Overview, height: int | None = None) -> RenderableType:
    """Draws the page, at least 80 columns wide.

    Args:
        sweep: the sweep's present state.
        height: how many lines there is room for; by default unlimited.
    """
    rows = list(sweep.rows)
    room = len(rows) if height is None else max(height - _OTHER_LINES, 1)
    more = len(rows) - room
    if more > 0:
        chosen = sorted(rows, key=_rank)[:room]
        rows = [row for row in rows if row in chosen]
    parts: list[RenderableType] = [
        Text(f"sweep of {count(len(sweep.rows), 'run')}", "bold"),
        WrappedText(Text(str(sweep.folder.root), "dim")),
        WrappedText(_state(sweep)),
        _bar(sweep),
        Text(),
        progress.run_table([_line(row) for row in rows]),
    ]
    if more > 0:
        parts.append(Text(f"and {more} more"))
    return Group(*parts, *map(WrappedText, _next(sweep)))


def _rank(row: RunRow) -> int:
    return _ORDER.index(row.state) if row.state in _ORDER else 0


def _line(row: RunRow) -> progress.RunLine:
    note = row.state
    if row.state == overview.RUNNING:
        note = "starting" if not row.done else progress.note(row.left_s)
    fraction = None if row.state == overview.WAITING else row.done / row.steps
    if row.state == overview.FINISHED:
        # Without actors a run may be over before its last step.
        fraction = 1.0
    value = progress.value_text(row.value, row.unit)
    return progress.RunLine(row.name, fraction, value, note, is_bad=row.state in _BAD)


def _state(sweep: Overview) -> Text:
    states = collections.Counter(row.state for row in sweep.rows)
    numbers = ", ".join(f"{states[each]} {each}" for each in _ORDER if states[each])
    if sweep.is_running:
        return Text.assemble(("running", f"bold {BLUE}"), f": {numbers}")
    if sweep.is_complete:
        return Text.assemble(("finished", f"bold {BLUE}"), f": {numbers}")
    return Text.assemble(("no process runs it", f"bold {ORANGE}"), f": {numbers}")


def _bar(sweep: Overview) -> RenderableType:
    done = overview.num_done(sweep.rows)
    over = sum(row.state in overview.OVER for row in sweep.rows)
    parts = [f"{over} of {count(len(sweep.rows), 'run')}"]
    if sweep.elapsed_s is not None and not sweep.is_complete:
        parts += [f"{duration(sweep.elapsed_s)} gone", progress.left_text(sweep.left_s)]
    return progress_row(done, sum(row.steps for row in sweep.rows), ", ".join(parts))


def _next(sweep: Overview) -> list[Text]:
    """Where the sweep's results are, and the commands that resume it."""
    lines = []
    root = str(sweep.folder.root)
    if not sweep.is_running:
        if sweep.folder.table.is_file():
            lines.append(Text(f"Its table: {sweep.folder.table}"))
        if not sweep.is_complete:
            lines.append(Text(f"To resume it: {command('sweep', f'--resume={root}')}"))
        elif any(row.state == overview.FAILED for row in sweep.rows):
            retry = command("sweep", f"--resume={root}", "--retry_failed")
            lines.append(Text(f"To try again what failed: {retry}"))
    else:
        failed = [row for row in sweep.rows if row.state == overview.FAILED]
        reasons = sweep.folder.failed()
        for row in failed[-3:]:
            lines.append(Text(f"{row.name} failed: {reasons.get(row.name, 'see its log')}", ORANGE))
    return [Text(), *lines] if lines else []
