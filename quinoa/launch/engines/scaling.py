"""Adds actors to a run while it runs, and takes some away."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

from quinoa.launch.engines.process import Start
from quinoa.launch.engines.supervision import Node
from quinoa.launch.errors import RunError
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run import events, scale
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.terminal.output import say


class Scaling:
    """Has a run have as many actors as was asked for last."""

    def __init__(self, nodes: list[Node], folder: RunFolder, actor: Callable[[int], Start]):
        """Changes nothing yet.

        Args:
            nodes: of the run, with its actors in the order of their indices. Those that are added
                are put into this list, and those that have gone are taken out.
            folder: of the run.
            actor: returns what starts the actor of an index.
        """
        self._nodes = nodes
        self._folder = folder
        self._actor = actor
        self._actors = [node for node in nodes if node.role == Role.ACTOR]
        # Those that are leaving, and until when they may take their time.
        self._leaving: list[tuple[Node, float]] = []

    def follow(self) -> None:
        """Starts and stops actors, if others are wanted than there are; to be called often."""
        now = time.monotonic()
        for node, deadline in list(self._leaving):
            if node.process.exit_code is not None or now >= deadline:
                node.process.kill()
                self._nodes.remove(node)
                self._leaving.remove((node, deadline))
        wanted, before = scale.wanted(self._folder), len(self._actors)
        if wanted is None or wanted == before:
            return
        while len(self._actors) > wanted:
            self._retire(self._actors.pop(), now)
        while len(self._actors) < wanted and self._add(len(self._actors)):
            pass
        if len(self._actors) == before:
            return
        text = f"{len(self._actors)} actors in place of {before}"
        events.append(self._folder.events, EventKind.SCALED, Role.SUPERVISOR, text=text)

    def _retire(self, node: Node, now: float) -> None:
        node.retire()
        self._leaving.append((node, now + KINDS[node.role].stop_grace_s))

    def _add(self, index: int) -> bool:
        """Adds the actor of an index; False where one of that index is still leaving."""
        if any(node.process.name.endswith(f"-{index}") for node, _ in self._leaving):
            return False
        try:
            node = Node(self._actor(index), may_end=KINDS[Role.ACTOR].ends_run)
        except (OSError, RunError) as error:
            say(f"quinoa: note: no actor can be added ({error}).", sys.stderr)
            # Not tried again until the user asks again; on a full disk it is.
            with contextlib.suppress(OSError):
                scale.ask(self._folder, index)
            return False
        self._nodes.append(node)
        self._actors.append(node)
        return True
