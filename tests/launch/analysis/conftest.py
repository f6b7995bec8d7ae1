from __future__ import annotations

import pytest

from quinoa.launch.analysis import run_groups
from tests.launch.analysis.scored_runs import write_all


@pytest.fixture
def groups(tmp_path):
    write_all(tmp_path, "base", [10.0, 20.0, 40.0], num_runs=2)
    write_all(tmp_path, "better", [20.0, 30.0, 40.0], num_runs=3, spread=1.0)
    return run_groups.group(run_groups.find([tmp_path]))
