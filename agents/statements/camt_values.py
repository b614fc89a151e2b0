"""The values that all parts of a camt message share: amounts with their currency, marks, counts."""

from __future__ import annotations

from typing import Final

from lxml import etree

from agents.statements.amounts import asset_of, minor_of
from agents.statements.refusal import Refusal, quoted
from agents.statements.xml import find, line_of, local_name, text_of, wanted
from schemas.assets import AssetRegistry

_SIGNS: Final = {"CRDT": 1, "DBIT": -1}
_MOST_DIGITS: Final = 18


def amount_of(element: etree._Element, path: str, assets: AssetRegistry) -> tuple[int, str]:
    """Minor units and asset of the amount at `path` below an element.

    Raises:
        Refusal: it is missing or none, or its currency is.
    """
    text = wanted(element, path)
    found = find(element, path)
    code = None if found is None else found.get("Ccy")
    if code is None:
        raise Refusal("currency", f"{local_name(element)}/{path} has no Ccy", line_of(element))
    asset = asset_of(code, assets)
    return minor_of(text, asset), asset.code


def sign_of(element: etree._Element, path: str) -> int:
    """1 for a credit, -1 for a debit.

    Raises:
        Refusal: `sign`, where it is neither.
    """
    text = text_of(element, path) or ""
    if text not in _SIGNS:
        raise Refusal("sign", f"{local_name(element)} has {path} {quoted(text)}: CRDT or DBIT is wanted")
    return _SIGNS[text]


def count_of(text: str, what: str) -> int:
    """A whole number of 0 or more.

    Raises:
        Refusal: `malformed`, where it is none.
    """
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise Refusal("malformed", f"{what} {quoted(text)}: digits are wanted")
    return int(text)
