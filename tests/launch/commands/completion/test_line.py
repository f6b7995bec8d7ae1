from __future__ import annotations

import pytest

from quinoa.launch.commands.completion.line import split

# As bash has it unless it is told otherwise.
BASH = " \t\n\"'@><=;|&(:"


@pytest.mark.parametrize(
    ("line", "words", "last", "kept"),
    [
        ("", [], "", ""),
        ("quinoa", [], "quinoa", ""),
        ("quinoa ", ["quinoa"], "", ""),
        ("quinoa  train\t--st", ["quinoa", "train"], "--st", ""),
        ("quinoa train --agent=", ["quinoa", "train"], "--agent=", "--agent="),
        ("q --env=control:wal", ["q"], "--env=control:wal", "--env=control:"),
        ("q a\\ b", ["q"], "a b", ""),
        ("q 'a b' ", ["q", "a b"], "", ""),
        ("q 'a b", ["q"], "a b", ""),
        ('q --env="control:wal', ["q"], "--env=control:wal", "--env="),
        ('q "a\\"b\\c" ', ["q", 'a"b\\c'], "", ""),
        ("q '' x", ["q", ""], "x", ""),
        ("q ''", ["q"], "", ""),
        ("q 'a:b'c", ["q"], "a:bc", "a:b"),
        ("q a\\:b", ["q"], "a:b", ""),
        ("q a\\", ["q"], "a", ""),
    ],
)
def test_a_line_is_split_as_bash_does(line, words, last, kept):
    typed = split(line, BASH)
    assert (list(typed.words), typed.last) == (words, last)
    assert typed.last[: typed.start] == kept


def test_what_is_no_break_there_is_kept():
    assert split("q --env=control:wal", " =").start == len("--env=")
    assert split("q --env=control:wal", "").start == 0
