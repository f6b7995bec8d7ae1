"""Places the boxes of a picture on floors so that few lines between them cross.

After Sugiyama, Tagawa and Toda (1981), "Methods for visual understanding of hierarchical system
structures": a line over several floors gets a bend on each of them; the order on a floor is
improved by the mean place of the neighbours (their barycentre); then so are the places themselves.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence

# A place on a floor: a box by its name, or the bend of a line, by the line's ends.
Place = str | tuple[str, str]
# A line from a place on a floor, whose number is the first, to one on the floor below.
Line = tuple[int, Place, Place]

_SPACE = 12  # between neighbours on a floor
_BEND = 6  # the width of a line that passes a floor
# Orders that are begun from, and improvements of each; then improvements of the places.
_ATTEMPTS, _SWEEPS, _SHIFTS = 60, 12, 100


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where boxes and lines are.

    Attributes:
        ways: the places that each line passes, its ends included, from the top.
        x: the middle of each place, by the floor's number and the place.
        widths: of all places.
    """

    ways: Mapping[tuple[str, str], Sequence[Place]]
    x: Mapping[tuple[int, Place], float]
    widths: Mapping[Place, float]


def layout(
    floors: Sequence[Sequence[str]],
    arrows: Sequence[tuple[str, str]],
    *,
    width: float,
    largest: float,
) -> Layout:
    """Places boxes; the result is the same each time.

    Args:
        floors: the names of the boxes, floor by floor, from the top.
        arrows: pairs of boxes, the upper one first.
        width: of the picture.
        largest: width of a box, which is less where a floor has many.
    """
    level = {box: number for number, floor in enumerate(floors) for box in floor}
    ways: dict[tuple[str, str], list[Place]] = {
        (upper, lower): [upper, *[(upper, lower)] * (level[lower] - level[upper] - 1), lower]
        for upper, lower in arrows
    }
    lines: list[Line] = [
        (level[upper] + step, way[step], way[step + 1])
        for (upper, _), way in ways.items()
        for step in range(len(way) - 1)
    ]
    ordered: list[list[Place]] = [list(floor) for floor in floors]
    for (upper, _), way in ways.items():
        for step, place in enumerate(way[1:-1], start=1):
            ordered[level[upper] + step].append(place)
    ordered = _in_order(ordered, lines)
    widths = _widths(ordered, width, largest)
    return Layout(ways, _places(ordered, widths, lines, width), widths)


def _in_order(floors: list[list[Place]], lines: Sequence[Line]) -> list[list[Place]]:
    """The same floors, each in an order with which few lines cross."""
    chance = random.Random(0)
    best, fewest = floors, float("inf")
    for _ in range(_ATTEMPTS):
        found = [chance.sample(floor, len(floor)) for floor in floors]
        for sweep in range(_SWEEPS):
            downwards = sweep % 2 == 0
            for number in range(len(found)) if downwards else reversed(range(len(found))):
                _sort(found, number, lines, downwards)
            if (crossings := _crossings(found, lines)) < fewest:
                best, fewest = [list(floor) for floor in found], crossings
    return best


def _neighbours(number: int, place: Place, lines: Sequence[Line], above: bool) -> list[Place]:
    if above:
        return [upper for at, upper, lower in lines if at == number - 1 and lower == place]
    return [lower for at, upper, lower in lines if at == number and upper == place]


def _sort(
    floors: list[list[Place]],
    number: int,
    lines: Sequence[Line],
    above: bool,
) -> None:
    """Sorts a floor by where the neighbours of its places are on the floor above or below."""
    other = number - 1 if above else number + 1
    if not 0 <= other < len(floors):
        return

    def middle(place: Place) -> float:
        found = [floors[other].index(n) for n in _neighbours(number, place, lines, above)]
        if not found:
            return floors[number].index(place) / len(floors[number])
        return sum(found) / len(found) / max(1, len(floors[other]) - 1)

    floors[number].sort(key=middle)


def _crossings(floors: Sequence[Sequence[Place]], lines: Sequence[Line]) -> int:
    count = 0
    for number in range(len(floors) - 1):
        ends = sorted(
            (floors[number].index(upper), floors[number + 1].index(lower))
            for at, upper, lower in lines
            if at == number
        )
        count += sum(a[0] < b[0] and a[1] > b[1] for i, a in enumerate(ends) for b in ends[i + 1 :])
    return count


def _widths(floors: Sequence[Sequence[Place]], width: float, largest: float) -> dict[Place, float]:
    """How wide each place is: the boxes of a floor share its width."""
    widths: dict[Place, float] = {}
    for floor in floors:
        boxes = [place for place in floor if isinstance(place, str)]
        spent = _SPACE * (len(floor) + 1) + _BEND * (len(floor) - len(boxes))
        share = min(largest, (width - spent) / len(boxes))
        widths |= {place: share if isinstance(place, str) else _BEND for place in floor}
    return widths


def _places(
    floors: Sequence[Sequence[Place]],
    widths: Mapping[Place, float],
    lines: Sequence[Line],
    width: float,
) -> dict[tuple[int, Place], float]:
    """The middle of each place: as near to its neighbours' as the order on its floor allows."""
    at = {}
    for number, floor in enumerate(floors):
        for place, x in _apart(floor, {p: width / 2 for p in floor}, widths, width).items():
            at[number, place] = x
    for sweep in range(_SHIFTS):
        for number in range(len(floors)) if sweep % 2 else reversed(range(len(floors))):
            wanted, weights = {}, {}
            for place in floors[number]:
                # Where a line passes floor after floor, it should be straight.
                pulls = [
                    (at[there, other], 1 + 3 * isinstance(place, tuple) + 6 * (place == other))
                    for there, above in ((number - 1, True), (number + 1, False))
                    for other in _neighbours(number, place, lines, above)
                ]
                weights[place] = sum(weight for _, weight in pulls)
                wanted[place] = sum(x * weight for x, weight in pulls) / weights[place]
            for place, x in _apart(floors[number], wanted, widths, width, weights).items():
                at[number, place] = x
    return at


def _apart(
    floor: Sequence[Place],
    wanted: Mapping[Place, float],
    widths: Mapping[Place, float],
    width: float,
    weights: Mapping[Place, float] | None = None,
) -> dict[Place, float]:
    """The places nearest to the wanted ones, by weighted least squares, that do not overlap."""
    offset, offsets = 0.0, []
    for i, place in enumerate(floor):
        offset += (widths[floor[i - 1]] + widths[place]) / 2 + _SPACE if i else 0.0
        offsets.append(offset)
    # Less their offsets, places that keep their order are a sequence that does not fall: the mean
    # of neighbours that would is the best value for both (pool adjacent violators).
    blocks: list[tuple[float, float, int]] = []
    for place, offset in zip(floor, offsets, strict=True):
        mass = weights[place] if weights else 1.0
        total, count = mass * (wanted[place] - offset), 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / mass:
            before = blocks.pop()
            total, mass, count = total + before[0], mass + before[1], count + before[2]
        blocks.append((total, mass, count))
    values = [total / mass for total, mass, count in blocks for _ in range(count)]
    least = _SPACE + widths[floor[0]] / 2
    most = width - _SPACE - widths[floor[-1]] / 2 - offsets[-1]
    return {
        place: min(max(value, least), most) + offset
        for place, value, offset in zip(floor, values, offsets, strict=True)
    }
