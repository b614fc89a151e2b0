"""Texts and account numbers as payment messages take them. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
#: What every bank of SEPA takes: EPC217-08, "SEPA Requirements for an Extended Character Set", basic Latin.
_NOT_SEPA: Final = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
#: What decomposition does not turn into Latin letters.
_SPELLED: Final = {
    ord(one): spelled
    for one, spelled in [
        *(("ß", "ss"), ("Æ", "AE"), ("æ", "ae"), ("Ø", "O"), ("ø", "o"), ("Œ", "OE"), ("œ", "oe"), ("Đ", "D")),
        *(("đ", "d"), ("Ł", "L"), ("ł", "l"), ("Þ", "TH"), ("þ", "th"), ("ı", "i"), ("&", "+"), ("€", "EUR")),
    ]
}
#: XML 1.0 has no place for these, not even as references.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_iban(text: str) -> bool:
    """Whether the check digits fit (ISO 13616, ISO 7064 MOD 97-10). The length of its country is not looked at."""
    if not _IBAN.fullmatch(text):
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def plain_text(text: str, most: int, character_set: str) -> str:
    """Text in one line of at most `most` characters; empty where nothing is left.

    In `sepa` accents are dropped, other scripts and signs become a dot; in `utf8` only what XML cannot hold is taken
    out.
    """
    text = " ".join(_NOT_XML.sub(" ", text).split())
    if character_set == "sepa":
        latin = unicodedata.normalize("NFKD", text.translate(_SPELLED))
        text = _NOT_SEPA.sub(".", "".join(char for char in latin if not unicodedata.combining(char)))
        # A text must not begin or end with a slash, nor have two in a row.
        text = re.sub(r"/{2,}", "/", text).strip("/ ")
    text = " ".join(text.split())[:most]
    return text.strip("/ ") if character_set == "sepa" else text.strip()
