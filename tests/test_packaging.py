"""What `pip install` of the wheel gives: one package, and versions that work together."""

from __future__ import annotations

import email.message
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# The requirement that the wheel leaves to the others' bounds, and what these leave of it.
_LEFT_OPEN = {"typing-extensions": "4.5.0"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built of a copy, or the build would leave its own folders in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    files = [path.name for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    subprocess.run(["cp", "-r", *files, "quinoa", str(source)], cwd=ROOT, check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", f"--wheel-dir={folder}", str(source)]
    subprocess.run(command, check=True, timeout=120)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_string(archive.read(name).decode())


def test_a_wheel_holds_one_package_and_what_it_reads(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"quinoa"}
    data = {path for path in (ROOT / "quinoa").rglob("*") if path.is_file()}
    data = {path for path in data if "__pycache__" not in path.parts}
    assert {str(path.relative_to(ROOT)) for path in data} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_what_is_cited_is_what_is_installed(metadata):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == metadata["Version"]
    assert citation["license"] == metadata["License"]
    assert f"Source, {citation['repository-code']}" in metadata.get_all("Project-URL")


def test_every_version_that_it_declares_is_the_one_installed_here_and_fits_the_others(metadata):
    """So pip has nothing to search for, and what it installs is what these tests ran with."""
    declared = declared_pins(metadata)
    assert len(declared) > 50
    check_versions(declared, {**declared, **_LEFT_OPEN})


def test_the_extra_for_clusters_moves_no_version(metadata):
    declared, extra = declared_pins(metadata), declared_pins(metadata, "ray")
    assert "ray" in extra and not declared.keys() & extra.keys()
    development = (ROOT / "requirements.txt").read_text().partition("# Development\n")[2]
    for name, version in re.findall(r"^([\w-]+)==(\S+)$", development, re.MULTILINE):
        assert extra.get(canonicalize_name(name), version) == version, name


@pytest.mark.skipif(find_spec("minatar") is None, reason="MinAtar is not installed")
def test_the_extra_for_minatar_is_one_package_that_needs_no_other(metadata):
    declared, extra = declared_pins(metadata), declared_pins(metadata, "minatar")
    assert extra.keys() == {"minatar"}
    check_versions(extra, {**declared, **extra})


@pytest.mark.skipif(
    find_spec("ale_py") is None or find_spec("cv2") is None, reason="Atari is not installed"
)
def test_the_extra_for_atari_is_two_packages_that_need_no_other(metadata):
    declared, extra = declared_pins(metadata), declared_pins(metadata, "atari")
    assert extra.keys() == {"ale-py", "opencv-python-headless"}
    check_versions(extra, {**declared, **extra, **_LEFT_OPEN})


@pytest.mark.skipif(find_spec("minari") is None, reason="Minari is not installed")
def test_the_extra_for_demonstrations_fits_the_others(metadata):
    declared, extra = declared_pins(metadata), declared_pins(metadata, "minari")
    assert "minari" in extra and not declared.keys() & extra.keys()
    check_versions(extra, {**declared, **extra, **_LEFT_OPEN})


@pytest.mark.cluster
def test_every_version_of_the_extra_for_clusters_fits_the_others(metadata):
    extra = declared_pins(metadata, "ray")
    check_versions(extra, {**declared_pins(metadata), **extra, **_LEFT_OPEN})


def declared_pins(metadata: email.message.Message, extra: str = "") -> dict[str, str]:
    """The versions that the wheel declares, for an extra or without one, by package."""
    declared: dict[str, str] = {}
    for text in metadata.get_all("Requires-Dist") or []:
        requirement = Requirement(text)
        (pin,) = requirement.specifier
        assert pin.operator == "==", text
        marker = requirement.marker
        is_of_it = marker.evaluate({"extra": extra}) if marker is not None else not extra
        if is_of_it:
            declared[canonicalize_name(requirement.name)] = pin.version
    return declared


def check_versions(pins: dict[str, str], versions: dict[str, str]) -> None:
    """Checks that pins are what is installed here, and that all versions are what they ask for."""
    # The same release, built for the CPU alone, is what is installed here.
    installed = {name: "tensorflow-cpu" if name == "tensorflow" else name for name in pins}
    for name, version in pins.items():
        distribution = importlib.metadata.distribution(installed[name])
        assert distribution.version == version, f"{name}: run `make setup`"
        for text in distribution.requires or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                found = versions.get(canonicalize_name(wanted.name))
                assert found is not None, f"{name} needs {wanted.name}, which is not declared"
                assert wanted.specifier.contains(found, prereleases=True), f"{name} wants {wanted}"


def test_its_metadata_describes_it(metadata):
    assert metadata["Requires-Python"] == ">=3.10,<3.11"
    urls: dict[str, str] = {}
    for text in metadata.get_all("Project-URL") or []:
        name, _, url = text.partition(", ")
        urls[name] = url
    assert {"Homepage", "Documentation", "Source", "Changelog"} <= set(urls)
    # What it links to is there: the addresses end in a file of the repository.
    readme = metadata.get_payload()
    assert isinstance(readme, str) and readme.startswith("# Quinoa")
    targets = re.findall(r"\]\(([^)\s]+)\)", readme) + list(urls.values())
    inside = [
        re.fullmatch(rf"{urls['Source']}/(?:blob|raw)/main/([^#]*)(#.*)?", t) for t in targets
    ]
    assert len([match for match in inside if match]) > 10
    assert all((ROOT / match[1]).exists() for match in inside if match)
    assert all(target.startswith(("https:", "#")) for target in targets)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pip_installs_it_in_a_new_environment_and_the_command_trains_in_an_empty_folder(
    wheel, tmp_path
):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    folder = tmp_path / "empty"
    folder.mkdir()
    binaries = tmp_path / "venv" / "bin"
    base = Path(sys.base_prefix) / "bin" / "python3.10"
    run(base, "-I", "-m", "venv", tmp_path / "venv")
    run(binaries / "pip", "install", "--no-cache-dir", "--quiet", wheel)
    assert "No broken requirements found." in run(binaries / "pip", "check")
    assert "dm_control/iq" in run(binaries / "quinoa", "list")
    for engine, task in (("serial", "gym:Reacher-v5"), ("local", "control:cartpole:swingup")):
        printed = run(
            *(binaries / "quinoa", "train", f"--env={task}", f"--engine={engine}"),
            *("--steps=400", "--num_actors=1", "--evaluation_episodes=1", f"--folder={engine}"),
            *("--set=hidden_sizes=8", "--set=batch_size=8", "--set=min_replay_size=200"),
        )
        assert "Return of the final policy: " in printed
