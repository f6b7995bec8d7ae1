from collections.abc import Iterator

import pytest

from tests.agents.replay.helpers import drawing_threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    assert drawing_threads() == []
    yield
    assert drawing_threads() == []
