"""Fields of MT940 and MT942 that hold amounts: balances, statement lines, totals.

`:61:` marks: `C` and `RD`, the reversal of a debit, came in; `D` and `RC`, the reversal of a credit, went out; `EC` and
`ED` are expected and not booked. Source: SWIFT Standards MT, MT940 and MT942, fields 60a, 61, 62a, 90a.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from agents.statements.amounts import asset_of, minor_of
from agents.statements.dates import nearest_day, six_digit_day
from agents.statements.mt_messages import Field
from agents.statements.parsed import Balance, Entry
from agents.statements.refusal import Refusal, quoted
from schemas.assets import Asset, AssetRegistry
from schemas.external_statements import RefusalReason

_AMOUNT: Final = r"[0-9]{1,18}(?:,[0-9]{0,15})?"
_BALANCE: Final = re.compile(rf"([A-Z]{{1,2}})([0-9]{{6}})([A-Z]{{3}})({_AMOUNT})")
_LINE: Final = re.compile(rf"([0-9]{{6}})([0-9]{{4}})?(RC|RD|EC|ED|C|D)([A-Z])?({_AMOUNT})([NFS][A-Z0-9]{{3}})(.*)")
_HAS_MARK: Final = re.compile(r"[0-9]{6}(?:[0-9]{4})?(?:RC|RD|EC|ED|C|D)(?![-+])")
_TOTAL: Final = re.compile(rf"([0-9]{{1,5}})([A-Z]{{3}})({_AMOUNT})")
_CHARGES: Final = re.compile(rf"/CHGS/([A-Z]{{3}})({_AMOUNT})")
_SIGNS: Final = {"C": 1, "RD": 1, "D": -1, "RC": -1}
_EXPECTED: Final = frozenset({"EC", "ED"})
_REFERENCE_LENGTH: Final = 16
_NO_REFERENCE: Final = frozenset({"NONREF", "NOREF", "NOTPROVIDED", "EREF", "PREF", "MREF", "MARF", "KREF", ""})


class Total(NamedTuple):
    """`:90D:` or `:90C:`: how many entries, and their sum."""

    entries: int
    minor: int
    asset: str


def read_balance(field: Field, assets: AssetRegistry) -> Balance:
    """`:60a:` and `:62a:`, such as `C110523EUR876,84`.

    Raises:
        Refusal: mark, date, currency or amount is none.
    """
    found = _BALANCE.fullmatch(field.first)
    if found is None:
        raise Refusal("malformed", f":{field.tag}: is {quoted(field.first)}: mark, YYMMDD, currency, amount are wanted")
    if found[1] not in {"C", "D"}:
        raise Refusal("sign", f":{field.tag}: has the mark {quoted(found[1])}: C or D is wanted")
    asset = asset_of(found[3], assets)
    minor = minor_of(found[4], asset, mark=",")
    return Balance(minor if found[1] == "C" else -minor, asset.code, six_digit_day(found[2]), field.line_number)


def read_line(field: Field, asset: Asset) -> Entry | None:
    """`:61:`; None where it is expected only.

    Raises:
        Refusal: mark, date or amount is none, or the funds code is another currency's.
    """
    found = _LINE.fullmatch(field.first)
    if found is None:
        # A mark and no sign before the amount: then something else is wrong.
        reason: RefusalReason = "malformed" if _HAS_MARK.match(field.first) else "sign"
        shape = "YYMMDD, MMDD perhaps, C, D, RC or RD, amount, type and reference are wanted"
        raise Refusal(reason, f":61: is {quoted(field.first)}: {shape}")
    value_day, entry_day, mark, funds, amount, code, rest = found.groups()
    minor = minor_of(amount, asset, mark=",")
    value_date = six_digit_day(value_day)
    booking_date = None if entry_day is None else nearest_day(entry_day, value_date)
    if funds is not None and funds != asset.code[2:3]:
        raise Refusal("currency", f":61: has the funds code {funds}, but the account is in {asset.code}")
    if mark in _EXPECTED:
        return None
    references, more = _references(rest)
    supplementary = " ".join(part for line in field.lines[1:] if (part := line.strip()))
    return Entry(
        line_number=field.line_number,
        amount_minor=_SIGNS[mark] * minor,
        asset=asset.code,
        value_date=value_date,
        booking_date=booking_date,
        references=references,
        fee_minor=_fee(supplementary, asset),
        reversal=mark in {"RC", "RD"},
        code=code,
        remittance=" ".join(part for part in (more, supplementary) if part) or None,
    )


def _references(rest: str) -> tuple[dict[str, str], str]:
    """References of the holder and of the bank; and what stands behind the first where a bank puts a name there."""
    ours, slashes, theirs = rest.partition("//")
    more = ""
    if not slashes and len(ours) > _REFERENCE_LENGTH:
        ours, more = ours[:_REFERENCE_LENGTH], ours[_REFERENCE_LENGTH:].strip()
    found = {"customer_reference": ours.strip(), "bank_reference": theirs.strip()}
    return {name: text for name, text in found.items() if text.upper().removesuffix("+") not in _NO_REFERENCE}, more


def _fee(supplementary: str, asset: Asset) -> int:
    found = _CHARGES.search(supplementary)
    return 0 if found is None or found[1] != asset.code else minor_of(found[2], asset, mark=",")


def read_total(field: Field, assets: AssetRegistry) -> Total:
    """`:90D:` and `:90C:`, such as `3EUR250,00`.

    Raises:
        Refusal: count, currency or amount is none.
    """
    found = _TOTAL.fullmatch(field.first)
    if found is None:
        raise Refusal("malformed", f":{field.tag}: is {quoted(field.first)}: a count, currency and amount are wanted")
    asset = asset_of(found[2], assets)
    return Total(int(found[1]), minor_of(found[3], asset, mark=","), asset.code)
