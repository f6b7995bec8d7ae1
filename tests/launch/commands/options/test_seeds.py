from __future__ import annotations

import pytest

from quinoa.launch.commands.options import seeds
from quinoa.launch.errors import ExperimentError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [3]),
        ("0:3", [0, 1, 2]),
        ("7,0:2", [7, 0, 1]),
        ("0, 1", [0, 1]),
        ("2147483647", [2**31 - 1]),
    ],
)
def test_reads_numbers_and_ranges(text, expected):
    assert seeds.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "whole numbers"),
        ("a", "whole numbers"),
        ("-1", "whole numbers"),
        ("1.5", "whole numbers"),
        ("0:2:4", "whole numbers"),
        ("3:1", "3:1 is empty"),
        ("2:2", "2:2 is empty"),
        ("0:2,1", "1 is there twice"),
        ("2147483648", r"they must be in \[0, 2147483647\]"),
        ("0:1000000000", "more than 100000"),
    ],
)
def test_what_is_neither_is_one_line(text, message):
    with pytest.raises(ExperimentError, match=f"--seeds={text} cannot be understood: .*{message}"):
        seeds.parse(text)
