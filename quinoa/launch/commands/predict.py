"""`quinoa predict`: where a route leads that begins somewhere, or has begun, and how."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch.commands.base import (
    OK,
    Command,
    UsageError,
    define_number,
    expect,
    expect_data_file,
    expect_writable,
)
from quinoa.launch.commands.options import trained
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.machine.streams import STANDARD_OUTPUT, data_stream
from quinoa.launch.terminal.output import say, say_columns

if TYPE_CHECKING:
    from quinoa.irl.prediction import Prediction, RouteModel

_PRIORS = ("routes", "uniform")
# States of a way in the table, of which the others are left out in the middle.
_SHOWN = 5


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    define_number(
        values,
        "from",
        None,
        "The state where the route begins. Default: the first of --seen.",
        least=0,
    )
    flags.DEFINE_list(
        "seen", [], "The states of the route so far, in order: 12,40,41.", flag_values=values
    )
    flags.DEFINE_list(
        "to",
        [],
        "The state where it ends, or several that are possible. Default: those where the routes "
        "end that the run has learned from.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "prior",
        None,
        _PRIORS,
        "How probable each destination is before anything is seen: as often as routes that were "
        "learned from end there, or the same for all. Default: routes, or uniform with --to.",
        flag_values=values,
    )
    define_number(values, "top", 5, "Destinations to show, the most probable ones.")
    trained.define(values)
    flags.DEFINE_string(
        "json",
        None,
        "A file for all of it as JSON, with the posterior after each step. With - it goes to "
        "standard output, and all else to standard error.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "out",
        None,
        "A map of the learned costs and of the prediction; its ending is the format.",
        flag_values=values,
    )
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "predict takes the folder of one run")
    seen = _seen(values)
    destinations = _states("to", values.to)
    if values.json not in (None, STANDARD_OUTPUT):
        expect_data_file("json", Path(values.json))
    if values.out is not None:
        expect_writable("out", Path(values.out))
    process_environment.set_for_this_process()
    from quinoa.irl.prediction import predict
    from quinoa.irl.route_graph import RouteGraphError
    from quinoa.launch.run import run_folder
    from quinoa.launch.storage.files import write_json
    from quinoa.launch.trained import weights

    start = StartFolder()
    with data_stream(values.json) as data:
        folder = run_folder.existing(start.absolute(arguments[0]))
        model = weights.load_route_model(folder, values.checkpoint)
        if values.out is not None and model.places is None:
            raise UsageError(
                f"--out={values.out}: the states of {arguments[0]} have no places on a map. Routes "
                "of a generated road network have some, and files with `places`."
            )
        try:
            found = predict(model, seen, _prior(values.prior, destinations, model), most=values.top)
        except RouteGraphError as error:
            raise UsageError(str(error)) from error
        _show(found)
        if data is not None:
            print(json.dumps(found.to_json(), indent=2), file=data)
        elif values.json is not None:
            try:
                write_json(start.absolute(values.json), found.to_json())
            except OSError as error:
                raise UsageError(f"{values.json} cannot be written: {error.strerror}.") from error
            say(values.json)
        if values.out is not None:
            _draw(model, found, start.absolute(values.out))
            say(str(start.shown(start.absolute(values.out))))
    return OK


def _seen(values: flags.FlagValues) -> list[int]:
    """The states of the route so far."""
    seen = _states("seen", values.seen)
    begin: int | None = values["from"].value
    if begin is None and not seen:
        raise UsageError(
            "predict needs --from=STATE, where the route begins, or --seen=STATE,STATE, what was "
            "seen of it."
        )
    if begin is not None and seen and seen[0] != begin:
        raise UsageError(
            f"--from={begin} and --seen={','.join(values.seen)} begin in different states: give "
            "one of them, or begin --seen where the route begins."
        )
    return [begin] if begin is not None and not seen else seen


def _states(flag: str, texts: Sequence[str]) -> list[int]:
    if not all(text.isdecimal() for text in texts):
        raise UsageError(
            f"--{flag}={','.join(texts)}: it must be the number of a state, or several, separated "
            "by commas."
        )
    return [int(text) for text in texts]


def _prior(kind: str | None, destinations: Sequence[int], model: RouteModel) -> dict[int, float]:
    """Of each possible destination its prior probability, or in proportion to it."""
    of_routes = model.prior()
    states = destinations or list(of_routes)
    if kind == "uniform" or (kind is None and destinations):
        return dict.fromkeys(states, 1.0)
    unknown = [state for state in states if state not in of_routes]
    if unknown:
        raise UsageError(
            f"No route that was learned from ends in state {unknown[0]}, so that its prior is 0: "
            "give --prior=uniform."
        )
    return {state: of_routes[state] for state in states}


def _show(found: Prediction) -> None:
    columns: dict[str, list[str]] = {
        "destination": [str(each.state) for each in found.candidates],
        "prior": [f"{each.prior:.3f}" for each in found.candidates],
        "posterior": [f"{each.posterior:.3f}" for each in found.candidates],
        "steps": [str(len(each.route) - 1) for each in found.candidates],
        "probability": [f"{each.probability:.3g}" for each in found.candidates],
    }
    lengths = [each.length for each in found.candidates if each.length is not None]
    if lengths:
        columns["length"] = [f"{length:.2f}" for length in lengths]
    columns["most likely way"] = [_shortened(each.route) for each in found.candidates]
    say_columns(columns, sys.stdout)
    more = len(found.where.states) - len(found.candidates)
    if more:
        rest = 1 - sum(each.posterior for each in found.candidates)
        say(f"{more} more, with {rest:.3f} in all.")
    best = found.candidates[0]
    say(f"Most likely way to {best.state}: {', '.join(map(str, best.route))}")


def _shortened(route: Sequence[int]) -> str:
    texts = list(map(str, route))
    if len(texts) > _SHOWN:
        texts = [*texts[: _SHOWN - 3], "…", *texts[-2:]]
    return " ".join(texts)


def _draw(model: RouteModel, found: Prediction, path: Path) -> None:
    from quinoa.irl import maps

    assert model.places is not None
    figure = maps.picture(
        model.graph,
        model.theta,
        model.places,
        names=model.names,
        lengths=model.lengths,
        where=found.where,
        seen=found.seen,
        route=found.candidates[0].route,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be drawn: {error}") from error


COMMAND = Command(
    "RUN [FLAGS]",
    "predict a route and its destination",
    "RUN is the folder of a run that has learned from routes. For each destination it says how\n"
    "probable it is after what was seen, and the most likely way there with its probability.\n\n"
    "  quinoa predict runs/RUN --from=12 --to=60\n"
    "  quinoa predict runs/RUN --seen=12,40,41 --out=map.png",
    _flags,
    _run,
)
