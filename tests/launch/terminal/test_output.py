from __future__ import annotations

from quinoa.launch.terminal import output
from quinoa.launch.terminal.output import command, say
from tests.launch.terminals import Terminal, on_screen


def test_a_command_can_be_copied_into_a_shell():
    assert command("train", "--resume=runs/a b") == "quinoa train '--resume=runs/a b'"
    assert command("status", "runs/a") == "quinoa status runs/a"


def test_only_a_terminal_has_lines_broken(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = "words that are more than twenty columns"
    say(text)
    assert capsys.readouterr().out == f"{text}\n"
    shown = Terminal()
    say(text, shown)
    assert on_screen(shown) == ["words that are more", "than twenty columns"]


def test_a_table_is_no_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    shown = Terminal()
    columns = {
        "agent": ["iq", "m_iq"],
        "env": ["gym:Pendulum-v1"] * 2,
        "hidden_sizes": ["64,64", "256,256 and some words more"],
        "return (mean ± std)": ["-1189.8 ± 164.6", "-1305.2 ± 17.6"],
        "steps": ["4,000", "12,000"],
    }
    output.say_columns(columns, shown)
    same, heading, rule, first, *second = on_screen(shown)
    # What all rows have in common needs no column.
    assert same == "env: gym:Pendulum-v1"
    assert heading.split()[:2] == ["agent", "hidden_sizes"]
    assert set(rule.strip()) == {"─"}
    assert first.split() == ["iq", "64,64", "-1189.8", "±", "164.6", "4,000"]
    # Words stay whole.
    assert second[0].startswith("m_iq    256,256 and some ") and second[1].strip() == "words more"
    assert max(map(len, (heading, rule, first, *second))) <= 60
    monkeypatch.setenv("COLUMNS", "100")
    wide = Terminal()
    output.say_columns(columns, wide)
    assert "env" in on_screen(wide)[0]
