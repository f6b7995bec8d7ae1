"""The picture of launch/'s rooms: drawn from the imports, all arrows downwards."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from types import ModuleType

import pytest

from tests.launch.helpers import ROOT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def rooms() -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("draw_rooms")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def house(rooms):
    return rooms.read_house()


def test_launch_has_few_rooms_on_few_floors_each_with_an_idea(house):
    names = [room for floor in house.floors for room in floor]
    assert 15 < len(names) <= 26
    assert len(house.floors) <= 12
    folder = ROOT / "quinoa" / "launch"
    there = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(names) == there - {"__init__", "__pycache__"}
    assert all(len(house.ideas[name]) > 10 for name in names)


def test_the_arrows_are_the_imports_less_what_follows_from_others(house):
    below = {room: {room} for floor in house.floors for room in floor}
    for floor in reversed(house.floors):
        for room in floor:
            for upper, lower in house.arrows:
                if upper == room:
                    below[room] |= below[lower]
    # engines/ imports run/, but by way of others.
    assert "run" in below["engines"] and ("engines", "run") not in house.arrows
    assert below["cli"] == set(below)
    for upper, lower in house.arrows:
        others = {to for by, to in house.arrows if by == upper} - {lower}
        assert not any(lower in below[other] for other in others), (upper, lower)


@pytest.mark.parametrize("form", ["WIDE", "NARROW"])
def test_every_room_has_a_place_of_its_own_and_every_arrow_leads_down(rooms, house, form):
    form = getattr(rooms, form)
    picture = ET.fromstring(rooms.draw(house, form))
    boxes = {}
    for link in picture.iter(f"{SVG}a"):
        (box,) = (rect for rect in link.iter(f"{SVG}rect"))
        x, y, width, height = (float(box.attrib[k]) for k in ("x", "y", "width", "height"))
        (name,) = (text.text for text in link.iter(f"{SVG}text") if text.get("class") == "name")
        boxes[name] = (x, y, x + width, y + height)
        # At a guess, a letter is as wide as half its height, and more in bold type.
        assert 0.6 * form.name * len(name or "") < width
    assert set(boxes) == set(house.ideas)
    for name, (left, top, right, bottom) in boxes.items():
        assert left >= 0 and right <= form.width
        for other, (left_, top_, right_, bottom_) in boxes.items():
            apart = right < left_ or right_ < left or bottom < top_ or bottom_ < top
            assert name == other or apart, (name, other)
    arrows = [
        path.attrib["d"]
        for group in picture.iter(f"{SVG}g")
        for path in group.iter(f"{SVG}path")
        if path.get("class") != "head"
    ]
    assert len(arrows) == len(house.arrows)
    for arrow in arrows:
        start, *rest = re.split("[CV]", arrow.removeprefix("M"))
        heights = [float(point.split()[-1]) for point in (start, *rest)]
        assert heights == sorted(heights)


def test_an_import_that_leads_up_is_an_error(tmp_path):
    for folder in ("quinoa", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = tmp_path / "quinoa" / "launch" / "storage" / "files.py"
    changed.write_text(f"{changed.read_text()}\n\nimport quinoa.launch.metrics.counter\n")
    done = subprocess.run(
        [sys.executable, "scripts/draw_rooms.py", "--out=rooms.svg"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert (
        "quinoa.launch.storage imports quinoa.launch.metrics, which is not below it." in done.stderr
    )
    assert not (tmp_path / "rooms.svg").exists()
