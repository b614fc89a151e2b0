"""`:86:`, information to the account's holder: in the structured dialects of banks, or free text.

Three are told apart: `166?00..?20EREF+..?32NAME` (and `>` for `?`), `/EREF/../REMI/..`, and free text. What is not
understood stays text.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from agents.statements.parsed import Entry

_NUMBERED: Final = re.compile(r"([0-9]{3})([?>])(?=[0-9]{2})")
_SLASHED: Final = re.compile(
    r"/(EREF|PREF|MARF|MREF|KREF|IREF|RREF|CSID|REMI|NAME|BENM|ORDP|ISDT|RTRN|TRTP|IBAN|BIC|CNTP|ULTB|ULTD|PURP|SVCL)/"
)
_PLUS: Final = re.compile(r"(EREF|KREF|PREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|RREF|IREF)\+")
_TEXT_FIELDS: Final = frozenset({*(f"{n}" for n in range(20, 30)), *(f"{n}" for n in range(60, 64))})
_NAME_FIELDS: Final = frozenset({"32", "33"})
_REFERENCES: Final = {
    "EREF": "end_to_end_id",
    "KREF": "instruction_id",
    "IREF": "instruction_id",
    "PREF": "batch_id",
    "MREF": "mandate_id",
    "MARF": "mandate_id",
    "RREF": "clearing_reference",
}
_REMITTANCE: Final = frozenset({"REMI", "SVWZ"})
_MOST_TEXT: Final = 2_000
_NO_REFERENCE: Final = frozenset({"NONREF", "NOREF", "NOTPROVIDED", "NOT PROVIDED", ""})


class _Parts(NamedTuple):
    codes: dict[str, str]
    name: str | None
    text: str


def add_details(entry: Entry, lines: list[str]) -> None:
    """Add what the lines of `:86:` say to the entry before them; more such fields go on with the text."""
    parts = _parts(lines)
    for code, name in _REFERENCES.items():
        value = parts.codes.get(code, "").strip()
        if value.upper() not in _NO_REFERENCE:
            entry.references.setdefault(name, value)
    if entry.return_code is None and (returned := parts.codes.get("RTRN", "").strip()):
        entry.return_code = returned
    entry.counterparty = entry.counterparty or parts.name
    # Cut here, for a hostile file may go on with such fields for ever.
    entry.remittance = " ".join(part for part in (entry.remittance, parts.text) if part)[:_MOST_TEXT] or None


def _parts(lines: list[str]) -> _Parts:
    whole = "".join(lines)
    numbered = _NUMBERED.match(whole)
    if numbered is not None:
        return _of_numbers(whole[numbered.end() :], numbered[2])
    if _SLASHED.search(whole):
        codes = _coded(_SLASHED, whole)
        # `/BENM//NAME/X`: the name stands below who it is.
        text = next((codes[code] for code in codes if code in _REMITTANCE), whole)
        return _Parts(codes, codes.get("NAME", "").strip() or None, text.strip())
    free = " ".join(part for line in lines if (part := line.strip()))
    return _Parts(_coded(_PLUS, free), None, free)


def _of_numbers(rest: str, separator: str) -> _Parts:
    fields = [(part[:2], part[2:]) for part in rest.split(separator)]
    text = "".join(value for number, value in fields if number in _TEXT_FIELDS)
    name = "".join(value for number, value in fields if number in _NAME_FIELDS).strip()
    codes = _coded(_PLUS, text)
    return _Parts(codes, name or None, codes.get("SVWZ", text).strip())


def _coded(pattern: re.Pattern[str], text: str) -> dict[str, str]:
    """Code -> what stands between it and the next one."""
    found = list(pattern.finditer(text))
    ends = [*(one.start() for one in found), len(text)][1:]
    return {one[1]: text[one.end() : end] for one, end in zip(reversed(found), reversed(ends), strict=True)}
