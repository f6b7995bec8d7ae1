"""LaTeX formulae as MathML that browsers set as LaTeX would.

latex2mathml translates the commands, and browsers lay the operators out with their spaces. This
module corrects what neither does right: letters of one argument without braces, the spaces around
functions such as log, accents, limits below a sum, and numbers of equations.
"""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

from latex2mathml.converter import convert

_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_LETTER = re.compile(r"\\(mathbb|mathcal|mathrm|mathbf)\s+([A-Za-z])(?![A-Za-z])")
_NUMBER = re.compile(r"\\tag\{([^{}]*)\}")
_THIN = "0.1667em"
_ACCENTS = set("~^¯ˉ˙.‾")
# Between these and a function's name is a thin space, as between it and what it is applied to.
_ORDINARY = {"mi", "mn", "mrow", "mfrac", "msub", "msup", "msubsup", "mover"}
_LIMITS = {"min", "max", "∑", "∏"}
# How wide the space is at either side, where a browser's own table has a wider one.
_TIGHT = {"|": "0.06em", "/": "0.06em"}


class FormulaError(ValueError):
    """A formula holds a command that cannot be shown."""


def to_html(formula: str, *, inline: bool) -> str:
    r"""A formula as HTML: MathML, and where it is set apart a box that scrolls, and its number.

    Args:
        formula: LaTeX; `\tag{1}` gives its number.
        inline: whether it stands in a line of text.

    Raises:
        FormulaError: it holds a command that is not known.
    """
    number = _NUMBER.search(formula)
    source = _LETTER.sub(r"\\\1{\2}", _NUMBER.sub("", formula))
    mathml = convert(source, display="inline" if inline else "block")
    if "\\" in mathml:  # A command that it does not know stays as it was.
        raise FormulaError(formula)
    root = ElementTree.fromstring(mathml)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
    _mend(root, inline)
    root.set("xmlns", _NAMESPACE)
    text = ElementTree.tostring(root, encoding="unicode")
    if inline:
        return text
    after = f"<span>({html.escape(number[1])})</span>" if number else ""
    return f'<div class="formula"><div class="formula-scroll">{text}</div>{after}</div>'


def _mend(parent: ElementTree.Element, inline: bool) -> None:
    """Mends what is below an element, in place."""
    children = list(parent)
    for index, element in enumerate(children):
        text = (element.text or "").strip()
        if element.tag == "mi" and text == "~":
            element.tag, element.text = "mo", "\N{TILDE OPERATOR}"
        elif element.tag == "mo" and text in _TIGHT:
            element.set("lspace", _TIGHT[text])
            element.set("rspace", _TIGHT[text])
            element.set("stretchy", "false")
        if element.tag == "msup" and element[1].text == "′":
            # The font's is one that is raised already.
            element.tag, element[1].tag = "mrow", "mo"
            element[1].set("lspace", "0")
            element[1].set("rspace", "0")
        if element.tag == "mover" and (element[1].text or "") in _ACCENTS:
            element.set("accent", "true")
        if not inline and element.tag == "msub" and (element[0].text or "") in _LIMITS:
            element.tag = "munder"
        name = element if not len(element) else element[0]
        if _is_function(name) and parent.tag in ("mrow", "math", "mstyle"):
            _space(element, name, children, index)
        _mend(element, inline)


def _is_function(element: ElementTree.Element) -> bool:
    """Whether it is the name of a function, such as log: letters, more than one."""
    text = element.text or ""
    return element.tag in ("mi", "mo") and len(text) > 1 and text.isalpha() and text.isascii()


def _space(
    element: ElementTree.Element,
    name: ElementTree.Element,
    siblings: list[ElementTree.Element],
    index: int,
) -> None:
    """Sets the spaces around a function, which may have limits or scripts below its name."""
    before = siblings[index - 1] if index else None
    after = siblings[index + 1] if index + 1 < len(siblings) else None
    name.tag = "mo"
    name.set("form", "prefix")
    bare = before is None or before.tag not in _ORDINARY or _is_function(before)
    name.set("lspace", "0" if bare else _THIN)
    closed = after is None or (after.tag == "mo" and (after.text or "") in "([{)]}")
    name.set("rspace", "0" if closed else _THIN)
