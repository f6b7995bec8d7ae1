"""Draws the rooms of quinoa/launch and what they import, from the imports themselves.

    python scripts/draw_rooms.py --out=rooms.svg [--narrow]

The floors are the layers of the contract in pyproject.toml. The arrows are the imports that grimp
finds, lazy ones and those for types included; an arrow is left out where other arrows already lead
there. An import that does not lead downwards is an error. `scripts/build_docs.py` puts the picture
into docs/architecture.md.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import html
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import grimp
import tomli
from layered_layout import Layout, Place, layout

ROOT = Path(__file__).resolve().parents[1]
LAUNCH = "quinoa.launch"
# Who reads a built page finds the reference of a module there.
_REFERENCE = "../api/{module}.html"

_STYLE = """
.rooms { color-scheme: light dark; font-family: var(--md-text-font-family, sans-serif); }
.rooms .floor { fill: var(--md-default-fg-color, CanvasText); opacity: 0.045; }
.rooms .box { fill: var(--md-default-bg-color, Canvas); stroke: var(--md-accent-fg-color, teal); }
.rooms a:hover .box { fill: var(--md-code-bg-color, Canvas); stroke-width: 2; }
.rooms text { fill: var(--md-default-fg-color, CanvasText); text-anchor: middle; }
.rooms .name { font-weight: 700; }
.rooms .idea { opacity: 0.8; }
.rooms .arrow { fill: none; stroke: var(--md-default-fg-color, CanvasText); opacity: 0.5; }
.rooms .head { fill: var(--md-default-fg-color, CanvasText); }
"""


class UpwardImportError(Exception):
    """An import that does not lead to a floor below."""


@dataclasses.dataclass(frozen=True)
class House:
    """Rooms, where they are, and what they import.

    Attributes:
        floors: the names of the rooms, floor by floor, from the top.
        ideas: what each room is for, in a sentence.
        arrows: pairs of rooms, the importing one first; those that follow from others are left out.
    """

    floors: Sequence[Sequence[str]]
    ideas: Mapping[str, str]
    arrows: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Form:
    """Measures of a picture, in its own pixels.

    Attributes:
        width: of the whole picture.
        room: the largest width of a room.
        name: the size of the type of names.
        idea: the size of the type of ideas; 0 leaves them out.
        gap: between two floors, for the arrows.
    """

    width: int
    room: int
    name: float
    idea: float
    gap: int


WIDE = Form(width=700, room=200, name=14, idea=10.5, gap=40)
NARROW = Form(width=360, room=96, name=11.5, idea=0, gap=34)


def read_house(root: Path = ROOT) -> House:
    """Reads the floors from the contract, and the arrows from the sources' imports.

    Args:
        root: the folder with pyproject.toml and the package.

    Raises:
        UpwardImportError: a room imports from its own floor, or from one above it.
    """
    described = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(
        contract["layers"]
        for contract in described["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == [LAUNCH]
    )
    floors = [[room.strip() for room in layer.split("|")] for layer in layers]
    # The package of this tree, not one that is installed.
    sys.path.insert(0, str(root))
    try:
        graph = grimp.build_graph("quinoa", cache_dir=None)
    finally:
        sys.path.remove(str(root))
    level = {room: number for number, floor in enumerate(floors) for room in floor}
    imports = {
        room: {
            other
            for other in level
            if other != room
            and graph.direct_import_exists(
                importer=f"{LAUNCH}.{room}", imported=f"{LAUNCH}.{other}", as_packages=True
            )
        }
        for room in level
    }
    for room, others in imports.items():
        for other in others:
            if level[other] <= level[room]:
                raise UpwardImportError(
                    f"{LAUNCH}.{room} imports {LAUNCH}.{other}, which is not below it."
                )
    ideas = {room: _first_line(root / "quinoa" / "launch" / room) for room in level}
    return House(floors, ideas, sorted(_needed(imports, level)))


def _first_line(path: Path) -> str:
    """The first line of the docstring of a module or package."""
    module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".").replace("`", "")


def _needed(imports: Mapping[str, set[str]], level: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    """The transitive reduction of imports that all lead downwards."""
    below: dict[str, set[str]] = {}
    for room in sorted(imports, key=lambda room: -level[room]):
        below[room] = imports[room].union(*(below[other] for other in imports[room]))
    for room, others in imports.items():
        for other in others:
            if not any(other in below[between] for between in others - {other}):
                yield room, other


def draw(house: House, form: Form) -> str:
    """The picture as an SVG element, coloured by the page's own variables where it has them."""
    level = {room: number for number, floor in enumerate(house.floors) for room in floor}
    placed = layout(house.floors, house.arrows, width=form.width, largest=form.room)
    heights = [_height(house, floor, placed.widths, form) for floor in house.floors]
    tops, y = [], 6.0
    for height in heights:
        tops.append(y)
        y += height + form.gap
    size = (form.width, round(y - form.gap + 6))
    parts = [
        f'<svg class="rooms" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}"'
        ' role="img" aria-label="The rooms of quinoa/launch; arrows lead from a room to those that'
        ' it imports, which are all below it.">',
        f"<style>{_STYLE}</style>",
    ]
    for top, height in zip(tops, heights, strict=True):
        parts.append(
            f'<rect class="floor" x="0" y="{top - 5:.0f}" width="{form.width}"'
            f' height="{height + 10:.0f}" rx="4"/>'
        )
    parts += _arrows(placed, level, tops, heights)
    for room, number in level.items():
        box = (placed.x[number, room], tops[number], placed.widths[room], heights[number])
        parts.append(_room(room, house.ideas[room], box, form))
    return "\n".join([*parts, "</svg>"])


def _wrapped(idea: str, width: float, form: Form) -> list[str]:
    return textwrap.wrap(idea, int((width - 10) / (0.55 * form.idea))) if form.idea else []


def _height(house: House, floor: Sequence[str], widths: Mapping[Place, float], form: Form) -> float:
    lines = max(len(_wrapped(house.ideas[room], widths[room], form)) for room in floor)
    return 1.9 * form.name + 1.25 * form.idea * lines + (6 if lines else 0)


def _room(room: str, idea: str, box: tuple[float, float, float, float], form: Form) -> str:
    """A room as a link; its box is given by its middle, top, width and height."""
    x, top, width, height = box
    lines = _wrapped(idea, width, form)
    parts = [
        f'<a href="{_REFERENCE.format(module=f"{LAUNCH}.{room}")}">'
        f"<title>{html.escape(idea)}</title>",
        f'<rect class="box" x="{x - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}"'
        f' height="{height:.1f}" rx="5"/>',
        f'<text class="name" font-size="{form.name}" x="{x:.1f}"'
        f' y="{top + 1.3 * form.name:.1f}">{room}</text>',
    ]
    y = top + 1.45 * form.name
    for line in lines:
        y += 1.25 * form.idea
        parts.append(
            f'<text class="idea" font-size="{form.idea}" x="{x:.1f}" y="{y:.1f}">'
            f"{html.escape(line)}</text>"
        )
    return "\n".join([*parts, "</a>"])


def _arrows(
    placed: Layout,
    level: Mapping[str, int],
    tops: Sequence[float],
    heights: Sequence[float],
) -> list[str]:
    """The arrows, straight past a floor and bent between two."""
    ways, places = placed.ways, placed.x
    next_x = {arrow: places[level[arrow[0]] + 1, way[1]] for arrow, way in ways.items()}
    last_x = {arrow: places[level[arrow[1]] - 1, way[-2]] for arrow, way in ways.items()}

    def end(
        arrow: tuple[str, str], room: str, end: int, towards: Mapping[tuple[str, str], float]
    ) -> float:
        """Where an arrow touches a room: side by side with the room's others, in their order."""
        others = sorted((a for a in ways if a[end] == room), key=lambda a: towards[a])
        step = min(16.0, (placed.widths[room] - 16) / len(others))
        middle = places[level[room], room]
        return middle + (others.index(arrow) - (len(others) - 1) / 2) * step

    parts = []
    for (upper, lower), way in ways.items():
        number = level[upper]
        x, y = end((upper, lower), upper, 0, next_x), tops[number] + heights[number]
        path = [f"M{x:.1f} {y:.1f}"]
        for place in way[1:-1]:
            number += 1
            to_x, to_y = places[number, place], tops[number]
            bend = (y + to_y) / 2
            path.append(f"C{x:.1f} {bend:.1f} {to_x:.1f} {bend:.1f} {to_x:.1f} {to_y:.1f}")
            x, y = to_x, to_y + heights[number]
            path.append(f"V{y:.1f}")
        to_x, to_y = end((upper, lower), lower, 1, last_x), tops[level[lower]] - 6
        bend = (y + to_y) / 2
        path.append(f"C{x:.1f} {bend:.1f} {to_x:.1f} {bend:.1f} {to_x:.1f} {to_y:.1f}")
        parts.append(
            f'<g class="arrow"><path d="{"".join(path)}"/>'
            f'<path class="head" d="M{to_x - 3:.1f} {to_y:.1f}h6l-3 6z"/></g>'
        )
    return parts


def for_page() -> str:
    """The picture for wide screens, and for narrow ones a smaller one with a table of the ideas.

    Markdown and HTML; docs/theme/pages.css shows what suits the screen.
    """
    house = read_house()
    rows = [
        f"| {len(house.floors) - number} | [{room}](../api/{LAUNCH}.{room}.md) | {idea} |"
        for number, floor in enumerate(house.floors)
        for room in floor
        for idea in [house.ideas[room]]
    ]
    return "\n".join(
        [
            f'<div class="rooms-wide">{draw(house, WIDE)}</div>',
            "",
            '<div class="rooms-narrow" markdown>',
            f"<div>{draw(house, NARROW)}</div>",
            "",
            "| floor | room | its one idea |",
            "| --- | --- | --- |",
            *rows,
            "",
            "</div>",
        ]
    )


def main() -> None:
    """Writes the picture into a file of its own."""
    parser = argparse.ArgumentParser(description="Draws the rooms of quinoa/launch.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--narrow", action="store_true", help="for a phone")
    arguments = parser.parse_args()
    arguments.out.write_text(draw(read_house(), NARROW if arguments.narrow else WIDE))


if __name__ == "__main__":
    main()
