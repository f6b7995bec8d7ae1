"""What two gateways between a run's processes cost, beside a direct connection.

Both gateways, the services and who calls them share this machine's cores. On a cluster each host
has a gateway of its own, and there is a network between them.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import courier
import numpy as np
import portpicker
import psutil

from benchmarks import actor, measure, stage
from benchmarks.measure import Comparison
from benchmarks.setting import TASK, config_of, spec_of
from quinoa.agents import replay
from quinoa.agents.actor import Actor
from quinoa.agents.learner import Learner
from quinoa.agents.parameters import PublishedParameters
from quinoa.agents.registry import load
from quinoa.agents.replay import SegmentWriter
from quinoa.agents.rows import RowLayout
from quinoa.launch.engines.ray.gateway.keys import RunKeys
from quinoa.launch.engines.ray.gateway.process import Gateway
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.peers import RemoteMethod
from quinoa.launch.run.roles import Role

_AGENT = "iq"
_NUM_TRANSITIONS = 100_000
# 300 kB: about what a policy with two layers of 256 has.
_NUM_PARAMETERS = 75_000
_STEPS_PER_CALL = 50
_ROUNDS = 9
_SECONDS = 1.0
# Of one round of bytes; and of one piece of them.
_RAW_BYTES = 200_000_000
_RAW_PIECE = 1 << 20
_HOST = "127.0.0.1"
# Gateways may cost 15 % of the learner's or the actors' rate.
_GOAL = 0.85

_DIRECT = "direct connection"
# Of services by their roles; bytes that nothing but the connection is measured with go to the
# counter's.
Addresses = Mapping[str, str]


def run() -> Iterator[Comparison]:
    """Compares what comes through two gateways with what comes directly."""
    table = {
        "task": TASK,
        "agent": _AGENT,
        "segment_length": config_of(_AGENT).segment_length,
        "num_transitions": _NUM_TRANSITIONS,
    }
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(stage.network())

        def service(function: str, **arguments: object) -> str:
            started = stage.Stage(function, arguments, network=network)
            address = stack.enter_context(started).answer()
            assert isinstance(address, str)
            return address

        direct = {
            Role.REPLAY: service("benchmarks.replay_server:serve", **table),
            Role.LEARNER: service("benchmarks.gateway:serve_parameters"),
            Role.COUNTER: service("benchmarks.gateway:serve_bytes"),
        }
        carried, processes = stack.enter_context(through_gateways(direct, network))
        addresses = {"direct": direct, "carried": carried}

        def turns(function: str, **placed: bool) -> tuple[tuple[float, ...], ...]:
            results = stage.call(
                f"benchmarks.gateway:{function}", addresses, network=network, **placed
            )
            return tuple(map(tuple, results))

        def compared(
            case: str, unit: str, results: Sequence[tuple[float, ...]], **more: object
        ) -> Comparison:
            ours, reference = results
            return Comparison("gateway", case, unit, ours, _DIRECT, reference, **more)  # type: ignore[arg-type]

        before = _processor_seconds(processes)
        speeds = turns("raw")
        # Each side warms up by one round more.
        per_gb = (_processor_seconds(processes) - before) * 1e9 / ((_ROUNDS + 1) * _RAW_BYTES)
        note = f"of a core, a gateway takes {per_gb / len(processes):.2f} s a GB"
        yield compared("bytes, one connection", "MB/s", speeds, note=note)
        length = table["segment_length"]
        yield compared(
            f"insertions, segments of {length}, as fast as they go",
            "transitions/s",
            turns("insert"),
        )
        yield compared("samples, as fast as they go", "transitions/s", turns("sample"))
        calls = turns("call")
        case = f"get_parameters of {4 * _NUM_PARAMETERS // 1000} kB"
        yield compared(case, "calls/s", calls[:2])
        yield compared(f"{case}, median", "ms", calls[2:4], lower_is_better=True)
        yield compared(f"{case}, 99th percentile", "ms", calls[4:], lower_is_better=True)
        yield compared(f"an actor, {TASK}", "steps/s", turns("act", one_heap=True), goal=_GOAL)
        yield compared(f"a learner, {_AGENT}", "gradient steps/s", turns("learn"), goal=_GOAL)


@contextlib.contextmanager
def through_gateways(
    direct: Mapping[Role, str], network: Sequence[int]
) -> Iterator[tuple[Mapping[Role, str], Sequence[int]]]:
    """Starts two gateways, one beside services and one beside those who call them.

    Args:
        direct: the addresses of services, on the loopback interface.
        network: of the services, and of those who call them.

    Yields:
        Addresses of the same services through the gateways, and the gateways' processes.
    """
    keys = RunKeys.make().for_host(_HOST)
    ports = {role: int(address.rpartition(":")[2]) for role, address in direct.items()}
    # One network stands for those of two hosts, so the ports cannot be the same in both.
    entries = {role: portpicker.pick_unused_port() for role in direct}
    with (
        Gateway.start(keys, ports, _HOST, network) as beside_services,
        Gateway.start(keys, entries, _HOST, network) as beside_callers,
    ):
        for role in direct:
            beside_services.route(role, None)
            beside_callers.route(role, beside_services.address)
        carried = {role: f"localhost:{port}" for role, port in entries.items()}
        yield carried, (beside_services.pid, beside_callers.pid)


def serve_parameters() -> Iterator[str]:
    """A stage: a learner's parameters, for Courier's clients."""
    port = portpicker.pick_unused_port()
    published = PublishedParameters()
    published.publish(0, np.zeros(_NUM_PARAMETERS, np.float32))
    server = courier.Server("learner", port=port)
    server.Bind("get_parameters", published.get)
    server.Start()
    yield f"localhost:{port}"


def serve_bytes() -> Iterator[str]:
    """A stage: takes bytes, and answers each `_RAW_BYTES` by one byte."""
    listener = socket.create_server((_HOST, 0))

    def take(connection: socket.socket) -> None:
        room, count = bytearray(_RAW_PIECE), 0
        while got := connection.recv_into(room):
            count += got
            if count == _RAW_BYTES:
                count = 0
                connection.sendall(b"!")

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=take, args=[connection], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"{_HOST}:{listener.getsockname()[1]}"


def raw(direct: Addresses, carried: Addresses) -> tuple[tuple[float, ...], ...]:
    """A stage: megabytes per second that one connection takes, carried and direct, by rounds."""
    data = bytes(_RAW_PIECE)

    def send(connection: socket.socket) -> float:
        left, start = _RAW_BYTES, time.perf_counter()
        while left:
            left -= connection.send(data[: min(left, _RAW_PIECE)])
        assert connection.recv(1)
        return _RAW_BYTES / 1e6 / (time.perf_counter() - start)

    with contextlib.ExitStack() as stack:
        sides = []
        for addresses in (carried, direct):
            host, _, port = addresses[Role.COUNTER].rpartition(":")
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            sides.append(functools.partial(send, connection))
        return _warmed_up(sides)


def insert(direct: Addresses, carried: Addresses) -> tuple[tuple[float, ...], ...]:
    """A stage: transitions per second that a writer of segments inserts."""
    config, layout = config_of(_AGENT), RowLayout(spec_of(TASK))
    count = actor.NUM_ENVIRONMENTS
    rows = np.random.default_rng(0).standard_normal((count, layout.width)).astype(np.float32)
    transitions = layout.unpack(rows)
    np.clip(transitions.action, -1.0, 1.0, out=transitions.action)
    transitions.discount[:] = 1.0

    def write(writer: SegmentWriter) -> int:
        writer.append(transitions)
        return count

    with contextlib.ExitStack() as stack:
        sides = []
        for addresses in (carried, direct):
            writer = stack.enter_context(
                contextlib.closing(SegmentWriter(addresses[Role.REPLAY], count, config, layout))
            )
            step = functools.partial(write, writer)
            sides.append(functools.partial(measure.rate, step, _SECONDS))
        return _warmed_up(sides)


def sample(direct: Addresses, carried: Addresses) -> tuple[tuple[float, ...], ...]:
    """A stage: transitions per second that superbatches bring."""
    config, layout = config_of(_AGENT), RowLayout(spec_of(TASK))

    def side(address: str) -> float:
        with contextlib.closing(
            replay.superbatches(address, config, layout, steps_per_call=_STEPS_PER_CALL)
        ) as superbatches:
            next(superbatches)

            def draw() -> int:
                next(superbatches)
                return _STEPS_PER_CALL * config.batch_size

            return measure.rate(draw, _SECONDS)

    # What one side draws ahead must not cost the other.
    return _warmed_up(
        [functools.partial(side, addresses[Role.REPLAY]) for addresses in (carried, direct)]
    )


def call(direct: Addresses, carried: Addresses) -> tuple[tuple[float, ...], ...]:
    """A stage: calls per second, and milliseconds a call: the median and the 99th percentile.

    Returns:
        Of each of the three: carried, then direct, by rounds.
    """
    percentiles: list[list[tuple[float, float]]] = [[], []]

    def side(method: Callable[[int], object], into: list[tuple[float, float]]) -> float:
        times = []
        end = time.perf_counter() + _SECONDS
        while (start := time.perf_counter()) < end:
            assert method(-1) is not None
            times.append(1e3 * (time.perf_counter() - start))
        into.append((float(np.percentile(times, 50)), float(np.percentile(times, 99))))
        return len(times) / _SECONDS

    methods = [_get_parameters(addresses) for addresses in (carried, direct)]
    rates = _warmed_up(
        [
            functools.partial(side, method, into)
            for method, into in zip(methods, percentiles, strict=True)
        ]
    )
    # The first of each are those of warming up.
    (ours_median, ours_slow), (median, slow) = (zip(*each[1:], strict=True) for each in percentiles)
    return (*rates, ours_median, median, ours_slow, slow)


def act(direct: Addresses, carried: Addresses) -> tuple[tuple[float, ...], ...]:
    """A stage: steps per second of an actor that writes what it sees, and fetches parameters."""
    with contextlib.ExitStack() as stack:
        sides = []
        for addresses in (carried, direct):
            acting = actor.make_actor(
                TASK,
                _AGENT,
                config_of(_AGENT).segment_length,
                addresses[Role.REPLAY],
                actor.NUM_ENVIRONMENTS,
                fetch=functools.partial(_get_parameters(addresses), -1),
            )
            stack.enter_context(contextlib.closing(acting))
            step = functools.partial(_transitions_of_a_step, acting)
            sides.append(functools.partial(measure.rate, step, _SECONDS))
        return _warmed_up(sides)


def learn(direct: Addresses, carried: Addresses) -> tuple[tuple[float, ...], ...]:
    """A stage: gradient steps per second of a learner that draws what it learns from."""
    config, layout = config_of(_AGENT), RowLayout(spec_of(TASK))
    learner = Learner(load(_AGENT).agent_class, config, spec_of(TASK), seed=0)

    def side(address: str) -> float:
        with contextlib.closing(
            replay.superbatches(address, config, layout, steps_per_call=_STEPS_PER_CALL)
        ) as superbatches:

            def step() -> int:
                float(learner.step(next(superbatches))["loss"])
                return _STEPS_PER_CALL

            step()
            return measure.rate(step, _SECONDS)

    return _warmed_up(
        [functools.partial(side, addresses[Role.REPLAY]) for addresses in (carried, direct)]
    )


def _processor_seconds(processes: Sequence[int]) -> float:
    times = [psutil.Process(number).cpu_times() for number in processes]
    return float(sum(each.user + each.system for each in times))


def _transitions_of_a_step(acting: Actor) -> int:
    return acting.step().num_transitions


def _warmed_up(sides: Sequence[Callable[[], float]]) -> tuple[tuple[float, ...], ...]:
    for side in sides:
        side()
    return measure.in_turns(sides, _ROUNDS)


def _get_parameters(addresses: Addresses) -> Callable[[int], object]:
    found = FixedAddresses({Role.LEARNER: addresses[Role.LEARNER]})
    method: RemoteMethod[[int], object] = RemoteMethod(found, Role.LEARNER, "get_parameters")
    return method
