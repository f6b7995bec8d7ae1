"""What `quinoa status` shows of a run."""

from __future__ import annotations

import collections
import dataclasses
import statistics
import time
from collections.abc import Sequence

import psutil
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from quinoa.launch.run.process_list import ListedNode, NodeState
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.roles import Role
from quinoa.launch.run.status import Rates, Status
from quinoa.launch.terminal.numbers import compact, count, described_metrics, duration
from quinoa.launch.terminal.output import command
from quinoa.launch.terminal.redrawn_lines import BLUE, ORANGE
from quinoa.launch.terminal.wrapping import WrappedText
from quinoa.launch.watch.overview import RunOverview, RunState, SavedCheckpoint
from quinoa.launch.watch.progress import progress_bar, rates_text, returns_text

# More actors than these have one line together.
_MAX_ACTORS = 8
# Seconds after which an actor's row of metrics is too old to show. It sends one a second, or fewer
# where its environments are slow.
_STALE_ROW_S = 15.0


class Loads:
    """The use of processor and memory by processes of this machine."""

    def __init__(self) -> None:
        """Knows none yet."""
        self._known: dict[int, psutil.Process] = {}

    def of(self, pid: int) -> tuple[float, int] | None:
        """The cores that a process uses, and its bytes of memory; None if it is gone.

        The cores are a mean since the last call, or in the first call since the process started.
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


def draw(run: RunOverview, loads: Loads) -> RenderableType:
    """The whole page, for 80 columns and more."""
    parts: list[RenderableType] = [_heading(run)]
    if run.status is not None:
        parts += _progress(run, run.status)
    if run.nodes and run.state is not RunState.ENDED:
        parts += [Text(), _nodes(run, loads)]
    parts += [Text(), _saved(run)]
    if run.events:
        parts += [Text(), *_events(run)]
    return Group(*parts)


def _progress(run: RunOverview, status: Status) -> list[RenderableType]:
    status = dataclasses.replace(status, restarts=run.restarts)
    is_running = run.state is RunState.RUNNING
    if not is_running:
        # The rates were those of its last seconds.
        status = dataclasses.replace(status, rates=Rates())
    parts = [
        progress_bar(run.limits, status, run.elapsed_s),
        _indented(returns_text(status, run.returns)),
    ]
    if is_running:
        parts.append(_indented(rates_text(run.limits, status)))
    return parts


def _heading(run: RunOverview) -> RenderableType:
    title = Text.assemble(
        (f"{run.title.agent} on {run.title.task}", "bold"), f"  seed {run.title.seed}"
    )
    if run.title.preset:
        title.append(f"  by the preset {run.title.preset}")
    # A path or a command that is broken cannot be copied.
    return Group(
        *map(WrappedText, [title, Text(str(run.folder.root), "dim"), _state(run), *_next(run)])
    )


def _state(run: RunOverview) -> Text:
    silence = f"no sign of life for {duration(run.silent_s)}"
    if run.state is RunState.ENDED:
        return _ending(run)
    if run.state is RunState.DEAD:
        gone = "" if run.engine is None else f", and its process {run.engine.pid} is gone"
        return Text(f"ended unexpectedly: {silence}{gone}", f"bold {ORANGE}")
    if run.state is RunState.SILENT:
        where = ""
        if run.engine is not None:
            where = f"; it is process {run.engine.pid} of {run.engine.host}"
            if run.is_alive:
                where = f", though its process {run.engine.pid} is there"
        return Text(f"{silence}{where}", f"bold {ORANGE}")
    if run.status is None:
        return Text("starting", f"bold {BLUE}")
    if _has_all_steps(run):
        then = ", then the final evaluation" if run.limits.has_actors else ""
        return Text(f"at its last step: saving{then}", f"bold {BLUE}")
    return Text("running", f"bold {BLUE}")


def _ending(run: RunOverview) -> Text:
    result = run.result
    assert result is not None  # A run that has ended has one.
    if result.outcome is Outcome.FAILED:
        error = (result.error or "").strip().splitlines()
        # In one process, no node failed but the run.
        what = f" in {result.failed_node}" if result.failed_node else ""
        why = f": {error[-1]}" if error else ""
        where = f"; {run.folder.logs}" if result.failed_node else ""
        return Text(f"failed{what}{why}{where}", f"bold {ORANGE}")
    text = Text(result.outcome.value, f"bold {BLUE}")
    if result.final_metrics:
        return text.append(f", {described_metrics(result.final_metrics)}")
    if returns := result.final_returns:
        spread = f"{statistics.fmean(returns):.1f} ± {statistics.pstdev(returns):.1f}"
        text.append(f", final return {spread} ({count(len(returns), 'episode')})")
    elif result.outcome is Outcome.FINISHED:
        text.append(", without a final evaluation")
    return text


def _next(run: RunOverview) -> list[Text]:
    """What can be done with a run that is not at its end, or has no final evaluation."""
    root = str(run.folder.root)
    resume = command("train", f"--resume={root}")
    evaluate = Text(f"To evaluate what it has learned: {command('evaluate', root)}")
    result = run.result
    if run.state is RunState.SILENT and not run.is_alive:
        return [Text(f"If it is gone, to resume it: {resume}")]
    if run.state is RunState.DEAD and run.learned is None:
        return [Text(f"It had saved nothing yet. To start it again: {resume}")]
    if run.state is RunState.DEAD or (
        result is not None and result.outcome is not Outcome.FINISHED
    ):
        return [Text(f"To resume it: {resume}")]
    if result is not None and not result.final_returns and run.limits.has_actors:
        return [evaluate]
    return []


def _has_all_steps(run: RunOverview) -> bool:
    """Whether the last step of the experiment has been done."""
    return run.status is not None and run.status.done >= run.limits.steps


def _nodes(run: RunOverview, loads: Loads) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("process", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("cores", "memory", "restarts"):
        table.add_column(name, justify="right", no_wrap=True)
    # Only where there is more than one machine to be on.
    shows_host = any(node.host is not None for node in run.nodes)
    if shows_host:
        table.add_column("host", no_wrap=True)
    table.add_column("", ratio=1)
    actors = [node for node in run.nodes if node.role is Role.ACTOR]
    is_one_line = len(actors) > _MAX_ACTORS
    for node in run.nodes:
        if not (is_one_line and node.role is Role.ACTOR):
            _add(table, node.name, [node], run, loads, shows_host=shows_host)
        elif node is actors[0]:
            _add(table, count(len(actors), "actor"), actors, run, loads, shows_host=shows_host)
    return table


def _add(
    table: Table,
    name: str,
    nodes: Sequence[ListedNode],
    run: RunOverview,
    loads: Loads,
    *,
    shows_host: bool,
) -> None:
    """Adds a line about nodes of the same role."""
    states = collections.Counter(node.state for node in nodes)
    here = [node for node in nodes if run.is_alive and node.is_here]
    used = [load for node in here if (load := loads.of(node.pid)) is not None]
    restarts = sum(node.restarts for node in nodes)
    state = Text(", ").join(
        Text(
            each.value if len(nodes) == 1 else f"{number} {each}",
            ORANGE if each in (NodeState.DOWN, NodeState.GONE) else "",
        )
        for each, number in states.items()
    )
    table.add_row(
        name,
        state,
        f"{sum(cpu for cpu, _ in used):.2f}" if used else "-",
        f"{sum(size for _, size in used) / 1e6:.0f} MB" if used else "-",
        Text(str(restarts), ORANGE if restarts else ""),
        *([_hosts(nodes)] if shows_host else []),
        _work(nodes, run),
    )


def _hosts(nodes: Sequence[ListedNode]) -> str:
    """On which host nodes are, or on how many."""
    hosts = {node.host for node in nodes if node.host is not None}
    return count(len(hosts), "host") if len(hosts) > 1 else next(iter(hosts), "-")


def _work(nodes: Sequence[ListedNode], run: RunOverview) -> str:
    """What is known of the work of nodes of the same role."""
    status, role = run.status, nodes[0].role
    if status is None or not any(node.state is NodeState.RUNNING for node in nodes):
        return ""
    if role is Role.REPLAY and status.replay_size is not None:
        return f"{compact(status.replay_size)} of {compact(run.limits.max_replay_size)} transitions"
    if role is Role.LEARNER:
        if not run.limits.has_actors:
            return f"{compact(status.counts.learner_steps)} steps"
        if not status.counts.learner_steps:
            return f"waits for {compact(run.limits.min_replay_size)} transitions"
        share = "" if status.waiting is None else f", waits {status.waiting:.0%} of its time"
        return f"{compact(status.counts.learner_steps)} steps{share}"
    if role is Role.EVALUATOR and run.returns:
        return f"{count(len(run.returns), 'evaluation')} so far"
    if role is Role.ACTOR:
        return _acting(nodes, run)
    return ""


def _acting(nodes: Sequence[ListedNode], run: RunOverview) -> str:
    now = time.time()
    indices = [int(node.name.rpartition("-")[2]) for node in nodes]
    recent = [
        actor
        for index in indices
        if (actor := run.actors.get(index)) and now - actor.wall_time < _STALE_ROW_S
    ]
    if not recent:
        return ""
    rate = sum(actor.steps_per_second for actor in recent)
    age = max(actor.parameter_age for actor in recent)
    return f"{rate:.0f} steps/s, parameter age {compact(age)}"


def _saved(run: RunOverview) -> RenderableType:
    def described(saved: SavedCheckpoint | None, what: str) -> str:
        if saved is None:
            return f"none of {what}"
        return f"{what} {duration(saved.age_s)} ago"

    learned = "the learner" + (
        "" if run.learned is None else f" at {compact(run.learned.number)} gradient steps,"
    )
    replay = f"; {described(run.replay, 'replay')}" if run.limits.has_actors else ""
    return Text(f"saved: {described(run.learned, learned)}{replay}")


def _events(run: RunOverview) -> list[RenderableType]:
    now = time.time()
    lines: list[RenderableType] = [Text("latest events", "bold")]
    for event in run.events:
        text = Text.assemble(
            f"{duration(now - event.wall_time)} ago  ",
            (f"{event.node} {event.kind.replace('_', ' ')}", ORANGE),
            f": {event.text}" if event.text else "",
        )
        text.truncate(240, overflow="ellipsis")
        lines.append(WrappedText(Text("  ").append_text(text)))
    return lines


def _indented(text: Text) -> RenderableType:
    return Padding(text, (0, 0, 0, 2))
