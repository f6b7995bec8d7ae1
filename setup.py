"""Packaging of quinoa: what it is called, what it holds and what it stands on.

The wheel declares the versions that requirements.txt pins, transitive ones included: TensorFlow,
Reverb and Launchpad are linked against one another, and few combinations install or import at all.
With a range in place of each, pip searches for minutes and may find what was never tried.
"""

import re
from pathlib import Path

import setuptools

ROOT = Path(__file__).parent
URL = "https://github.com/quinoa-rl/quinoa"

# Requirements whose text in the wheel is another than in requirements.txt.
_DECLARED = {
    # The same for CPU and GPU. There can be only one of the two, and the wheel cannot know which.
    "tensorflow-cpu": "tensorflow",
    # Left to TensorFlow's bounds, for a reason that requirements.txt gives.
    "typing-extensions": None,
}


def requirements() -> list[str]:
    """What requirements.txt pins above its line '# Development', as the wheel declares it."""
    running, marker, _ = (ROOT / "requirements.txt").read_text("utf-8").partition("# Development\n")
    assert marker, "requirements.txt has no line '# Development'"
    declared = [(_DECLARED.get(name, name), version) for name, version in _pins(running)]
    return [f"{name}=={version}" for name, version in declared if name is not None]


def ray_requirements() -> list[str]:
    """What requirements-ray.txt pins: the extra `quinoa[ray]`."""
    text = (ROOT / "requirements-ray.txt").read_text("utf-8")
    return [f"{name}=={version}" for name, version in _pins(text)]


def osm_requirements() -> list[str]:
    """What requirements-osm.txt pins: the extra `quinoa[osm]`."""
    text = (ROOT / "requirements-osm.txt").read_text("utf-8")
    return [f"{name}=={version}" for name, version in _pins(text)]


def development_pins(*packages: str) -> list[str]:
    """The pins of packages that tests need, and users who want them: an extra."""
    _, _, development = (ROOT / "requirements.txt").read_text("utf-8").partition("# Development\n")
    return [f"{name}=={version}" for name, version in _pins(development) if name in packages]


def _pins(text: str) -> list[tuple[str, str]]:
    """The packages of a requirements file and their versions, in order."""
    return re.findall(r"^([\w-]+)==(\S+)$", text, re.MULTILINE)


def long_description() -> str:
    """The README, with links that lead somewhere from a page elsewhere too."""
    text = (ROOT / "README.md").read_text("utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)", rf"\g<1>{URL}/raw/main/", text)
    return re.sub(r"((?<!!)\[[^\]]*\]\()(?![a-z]+:|#)", rf"\g<1>{URL}/blob/main/", text)


setuptools.setup(
    name="quinoa",
    version="0.1.0",
    description="Distributed reinforcement learning with policies that are their own Q-functions.",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    project_urls={
        "Homepage": URL,
        "Documentation": f"{URL}/blob/main/docs/index.md",
        "Source": URL,
        "Changelog": f"{URL}/blob/main/CHANGELOG.md",
        "Issues": f"{URL}/issues",
    },
    keywords=[
        "reinforcement learning",
        "distributed",
        "actor-learner",
        "implicit Q-functions",
        "Munchausen",
        "normalizing flows",
        "dm_control",
        "gymnasium",
        "reverb",
        "launchpad",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: GPU :: NVIDIA CUDA :: 11.8",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: Implementation :: CPython",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    # One package and no more. Without `package_dir`, an editable install maps just this package to
    # the sources, and leaves the repository's other folders (tests, benchmarks) off the path.
    packages=setuptools.find_packages(include=["quinoa", "quinoa.*"]),
    package_data={
        "quinoa": ["py.typed"],
        "quinoa.launch.presets": ["*.toml"],
        "quinoa.launch.commands.completion": ["quinoa.*"],
        "quinoa.launch.sweep.paper_figures": ["*.toml"],
    },
    python_requires=">=3.10,<3.11",
    install_requires=requirements(),
    extras_require={
        "ray": ray_requirements(),
        "osm": osm_requirements(),
        "minatar": development_pins("minatar"),
        "atari": development_pins("ale-py", "opencv-python-headless"),
        "minari": development_pins("minari", "shellingham", "typer", "click"),
    },
    entry_points={"console_scripts": ["quinoa = quinoa.launch.cli:main"]},
)
