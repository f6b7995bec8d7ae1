from __future__ import annotations

import pytest

from launch.counter import Counter
from launch.run_folder import RunFolder


@pytest.fixture
def counter(tmp_path):
    made = Counter(RunFolder(tmp_path), steps=1000)
    yield made
    made.close()
