"""Packaging of quinoa: what it is called, what it holds and what it stands on.

The dependencies here are named loosely, for people who build on quinoa. The exact versions that
work together, transitive ones included, are pinned in requirements.txt: `make` installs those.
"""

import setuptools

setuptools.setup(
    name="quinoa",
    version="0.1.0",
    description="Distributed reinforcement learning with policies that are their own Q-functions.",
    license="Apache-2.0",
    # One package and no more. Without `package_dir`, an editable install maps just this package to
    # the sources, and leaves the repository's other folders (tests, benchmarks) off the path.
    packages=setuptools.find_packages(include=["quinoa", "quinoa.*"]),
    package_data={"quinoa.launch.presets": ["*.toml"]},
    python_requires=">=3.10,<3.11",
    install_requires=[
        "absl-py",
        "cloudpickle",
        "dm-acme",
        "dm-control",
        "dm-env",
        # The nightly, because no release of Launchpad loads against TensorFlow 2.12.
        "dm-launchpad-nightly",
        "dm-reverb",
        "dm-sonnet",
        "gymnasium[mujoco]",
        "gymnasium-robotics",
        "imageio-ffmpeg",
        "matplotlib",
        "mujoco",
        "numpy",
        "pandas",
        "psutil",
        "rich",
        "rliable",
        "pillow",
        "scipy",
        "tabulate",
        "tensorboard",
        # requirements.txt has the same package built for the CPU alone, tensorflow-cpu.
        "tensorflow>=2.12,<2.13",
        "tensorflow-probability",
        "tomli",
    ],
    entry_points={"console_scripts": ["quinoa = quinoa.launch.cli:main"]},
)
