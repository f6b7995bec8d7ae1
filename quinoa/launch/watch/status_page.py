"""What `quinoa status` shows of a run."""

from __future__ import annotations

import collections
import statistics
import time
from collections.abc import Sequence

import psutil
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from quinoa.launch.terminal.numbers import compact, count, duration
from quinoa.launch.terminal.output import command
from quinoa.launch.terminal.redrawn_lines import BLUE, ORANGE
from quinoa.launch.terminal.wrapping import WrappedText
from quinoa.launch.watch.progress import progress_bar, rates_text, returns_text
from quinoa.launch.watch.snapshot import Process, RunView, Saved, State

# Of more actors than these, one line says what they all do.
_MAX_ACTORS = 8
# An actor says what it does once a second, if its environments let it.
_STALE_ROW_S = 15.0


class Loads:
    """What processes of this machine use of it."""

    def __init__(self) -> None:
        """Knows none yet."""
        self._known: dict[int, psutil.Process] = {}

    def of(self, pid: int) -> tuple[float, int] | None:
        """The cores' share and the bytes of memory that a process uses; None if it is gone.

        The share is that since the last call, or in the first call since the process started.
        """
        try:
            if pid in self._known:
                process = self._known[pid]
                cpu = process.cpu_percent(None) / 100
            else:
                process = psutil.Process(pid)
                process.cpu_percent(None)
                times = process.cpu_times()
                age_s = max(time.time() - process.create_time(), 1e-3)
                cpu = (times.user + times.system) / age_s
                self._known[pid] = process
            return cpu, process.memory_info().rss
        except psutil.Error:
            self._known.pop(pid, None)
            return None


def draw(run: RunView, loads: Loads) -> RenderableType:
    """All of it, for 80 columns and more."""
    parts: list[RenderableType] = [_heading(run)]
    if run.status is not None:
        restarts = sum(process.restarts for process in run.processes)
        status = {**run.status, "restarts": restarts}
        if run.state is not State.RUNNING:
            # What was the rate when it last wrote is nobody's any more.
            status["actor_steps_per_second"] = status["learner_steps_per_second"] = None
        is_running = run.state is State.RUNNING
        parts += [
            progress_bar(run.goal, status, run.elapsed_s),
            _indented(returns_text(status, run.returns)),
        ]
        if is_running:
            parts.append(_indented(rates_text(run.goal, status)))
    if run.processes and run.state is not State.ENDED:
        parts += [Text(), _processes(run, loads)]
    parts += [Text(), *_saved(run)]
    if run.events:
        parts += [Text(), *_events(run)]
    return Group(*parts)


def _heading(run: RunView) -> RenderableType:
    fields = run.described
    title = Text.assemble(
        (f"{fields['agent']} on {fields['environment']}", "bold"), f"  seed {fields['seed']}"
    )
    if preset := fields.get("preset"):
        title.append(f"  by the preset {preset}")
    # A path or a command that is broken cannot be copied.
    return Group(
        *map(WrappedText, [title, Text(str(run.folder.root), "dim"), _state(run), *_next(run)])
    )


def _state(run: RunView) -> Text:
    silence = f"no sign of life for {duration(run.silent_s)}"
    if run.state is State.ENDED:
        return _ending(run)
    if run.state is State.DEAD:
        gone = "" if run.pid is None else f", and its process {run.pid} is gone"
        return Text(f"died without a word: {silence}{gone}", f"bold {ORANGE}")
    if run.state is State.SILENT:
        where = "" if run.host is None else f"; it is process {run.pid} of {run.host}"
        if run.is_alive:
            where = f", though its process {run.pid} is there"
        return Text(f"{silence}{where}", f"bold {ORANGE}")
    if run.status is None:
        return Text("starting", f"bold {BLUE}")
    if run.status["actor_steps"] >= run.goal.steps:
        return Text("at its last step: saving, then the final evaluation", f"bold {BLUE}")
    return Text("running", f"bold {BLUE}")


def _ending(run: RunView) -> Text:
    result = run.result or {}
    outcome = str(result.get("outcome"))
    if outcome == "failed":
        node = result.get("failed_node")
        error = str(result.get("error") or "").strip().splitlines()
        # In one process, no node failed but the run.
        what = f" in {node}" if node else ""
        why = f": {error[-1]}" if error else ""
        where = f"; {run.folder.logs}" if node else ""
        return Text(f"failed{what}{why}{where}", f"bold {ORANGE}")
    text = Text(outcome, f"bold {BLUE}")
    if returns := result.get("final_returns"):
        spread = f"{statistics.fmean(returns):.1f} ± {statistics.pstdev(returns):.1f}"
        text.append(f", final return {spread} ({count(len(returns), 'episode')})")
    elif outcome == "finished":
        text.append(", without a final evaluation")
    return text


def _next(run: RunView) -> list[Text]:
    """What there is to do with a run that is not at its end, or has not said how good it is."""
    root = str(run.folder.root)
    go_on = command("train", f"--resume={root}")
    evaluate = Text(f"To evaluate what it has learned: {command('evaluate', root)}")
    outcome = None if run.result is None else run.result.get("outcome")
    if run.state is State.DEAD and run.status and run.status["actor_steps"] >= run.goal.steps:
        # There is nothing to go on with.
        return [evaluate]
    if run.state is State.SILENT and not run.is_alive:
        return [Text(f"If it is gone, to go on with it: {go_on}")]
    if run.state is State.DEAD and run.learned is None:
        return [Text(f"It had saved nothing yet. To start it again: {go_on}")]
    if run.state is State.DEAD or outcome in ("stopped", "killed", "failed"):
        return [Text(f"To resume it: {go_on}")]
    if outcome == "finished" and run.result is not None and not run.result.get("final_returns"):
        return [evaluate]
    return []


def _processes(run: RunView, loads: Loads) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("process", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("cores", "memory", "restarts"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    actors = [process for process in run.processes if process.role == "actor"]
    together = len(actors) > _MAX_ACTORS
    for process in run.processes:
        if not (together and process.role == "actor"):
            _add(table, process.name, [process], run, loads)
        elif process is actors[0]:
            _add(table, count(len(actors), "actor"), actors, run, loads)
    return table


def _add(table: Table, name: str, processes: Sequence[Process], run: RunView, loads: Loads) -> None:
    states = collections.Counter(process.state for process in processes)
    used = [load for p in processes if run.is_alive and (load := loads.of(p.pid)) is not None]
    restarts = sum(process.restarts for process in processes)
    state = Text(", ").join(
        Text(
            each if len(processes) == 1 else f"{number} {each}",
            ORANGE if each in ("down", "gone") else "",
        )
        for each, number in states.items()
    )
    table.add_row(
        name,
        state,
        f"{sum(cpu for cpu, _ in used):.2f}" if used else "-",
        f"{sum(size for _, size in used) / 1e6:.0f} MB" if used else "-",
        Text(str(restarts), ORANGE if restarts else ""),
        _doing(processes, run),
    )


def _doing(processes: Sequence[Process], run: RunView) -> str:
    """What the processes of one role say of their work."""
    status, role = run.status, processes[0].role
    if status is None or not any(process.state == "running" for process in processes):
        return ""
    if role == "replay":
        size, most = status["replay_size"], run.goal.max_replay_size
        if size is None:
            return ""
        return f"{compact(size)} of {compact(most)} transitions"
    if role == "learner":
        if not status["learner_steps"]:
            return f"waits for {compact(run.goal.min_replay_size)} transitions"
        share = "" if status["waiting"] is None else f", waits {status['waiting']:.0%} of its time"
        return f"{compact(status['learner_steps'])} steps{share}"
    if role == "evaluator":
        return f"{count(len(run.returns), 'evaluation')} so far" if run.returns else ""
    if role == "actor":
        return _acting(processes, run)
    return ""


def _acting(processes: Sequence[Process], run: RunView) -> str:
    now = time.time()
    indices = [int(process.name.rpartition("-")[2]) for process in processes]
    rows = [
        row
        for index in indices
        if (row := run.actors.get(index)) and now - float(row["wall_time"]) < _STALE_ROW_S
    ]
    if not rows:
        return ""
    rate = sum(float(row["steps_per_second"]) for row in rows)
    age = max(float(row["parameter_age"]) for row in rows)
    return f"{rate:.0f} steps/s, parameter age {compact(age)}"


def _saved(run: RunView) -> list[RenderableType]:
    def described(saved: Saved | None, what: str) -> str:
        if saved is None:
            return f"none of {what}"
        return f"{what} {duration(saved.age_s)} ago"

    learned = "the learner" + (
        "" if run.learned is None else f" at {compact(run.learned.number)} gradient steps,"
    )
    return [Text(f"saved: {described(run.learned, learned)}; {described(run.replay, 'replay')}")]


def _events(run: RunView) -> list[RenderableType]:
    now = time.time()
    lines: list[RenderableType] = [Text("latest events", "bold")]
    for event in run.events:
        what = event.get("text") or event.get("reason") or ""
        text = Text.assemble(
            f"{duration(now - float(event['wall_time']))} ago  ",
            (f"{event['node']} {str(event['event']).replace('_', ' ')}", ORANGE),
            f": {what}" if what else "",
        )
        text.truncate(240, overflow="ellipsis")
        lines.append(WrappedText(Text("  ").append_text(text)))
    return lines


def _indented(text: Text) -> RenderableType:
    return Padding(text, (0, 0, 0, 2))
