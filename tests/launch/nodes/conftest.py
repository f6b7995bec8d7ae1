from __future__ import annotations

import pytest

from quinoa.launch.metrics.counter import Counter
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.run_folder import RunFolder


@pytest.fixture
def counter(tmp_path):
    made = Counter(RunFolder(tmp_path), Budget(1000))
    yield made
    made.close()
