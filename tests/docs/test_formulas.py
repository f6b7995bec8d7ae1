"""Formulae as browsers get them."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import pytest

from tests.launch.helpers import ROOT

SCRIPT_L = "\N{SCRIPT CAPITAL L}"
SCRIPT_T = "\N{MATHEMATICAL SCRIPT CAPITAL T}"
DOUBLE_E = "\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}"


@pytest.fixture
def formulas(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("formulas")


def words(mathml: str) -> str:
    """The letters and operators of a formula, one after the other."""
    return "".join(re.findall(r">([^<]+)<", mathml))


def test_letters_without_braces_are_script_and_blackboard_too(formulas):
    assert (
        words(formulas.to_html(r"\mathcal L = \mathbb E_s x", inline=True))
        == f"{SCRIPT_L}={DOUBLE_E}sx"
    )
    assert (
        words(formulas.to_html(r"\mathcal{T}\hat{\mathbb E}", inline=True))
        == f"{SCRIPT_T}{DOUBLE_E}^"
    )


def test_a_number_stands_beside_a_formula_set_apart_not_in_it(formulas):
    html = formulas.to_html(r"a = b \tag{2}", inline=False)
    before = '<div class="formula"><div class="formula-scroll"><math '
    assert html.startswith(before) and html.endswith("</math></div><span>(2)</span></div>")
    assert words(html.partition("<span>")[0]) == "a=b"
    assert "<span>" not in formulas.to_html("a = b", inline=False)
    assert formulas.to_html("a", inline=True).startswith("<math")


@pytest.mark.parametrize(
    ("formula", "name", "left", "right"),
    [
        (r"\tau \ln \pi", "ln", "0.1667em", "0.1667em"),
        (r"\log\pi", "log", "0", "0.1667em"),
        (r"a + \exp(x)", "exp", "0", "0"),
        (r"\log \exp x", "exp", "0", "0.1667em"),
        (r"x \operatorname{softmax}_a y", "softmax", "0.1667em", "0.1667em"),
    ],
)
def test_functions_stand_apart_from_their_neighbours(formulas, formula, name, left, right):
    html = formulas.to_html(formula, inline=True)
    assert f'<mo form="prefix" lspace="{left}" rspace="{right}">{name}</mo>' in html


def test_sums_have_their_limits_below_where_there_is_room(formulas):
    assert "<munder><mo>∑</mo><mi>a</mi></munder>" in formulas.to_html(r"\sum_a x", inline=False)
    assert "<msub><mo>∑</mo><mi>a</mi></msub>" in formulas.to_html(r"\sum_a x", inline=True)


def test_accents_bars_primes_and_tildes_are_set_close(formulas):
    html = formulas.to_html(r"\tilde\pi(a|s'), \bar{\theta}, a \sim b", inline=True)
    assert html.count('<mover accent="true">') == 2
    assert 'lspace="0.06em" rspace="0.06em">|</mo>' in html
    assert '<mrow><mi>s</mi><mo lspace="0" rspace="0">′</mo></mrow>' in html
    assert "<mo>\N{TILDE OPERATOR}</mo>" in html


def test_a_command_that_is_not_known_is_refused(formulas):
    with pytest.raises(formulas.FormulaError, match="nosuchcommand"):
        formulas.to_html(r"\nosuchcommand{x}", inline=True)
