from __future__ import annotations

import pytest

from tests.launch.disks import mounted


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    with mounted(tmp_path / "disk") as folder:
        yield folder
