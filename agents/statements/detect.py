"""Which format a file has, by its beginning."""

from __future__ import annotations

import codecs
import re
from typing import Final, Literal

from agents.statements.refusal import Refusal

Kind = Literal["camt", "mt940", "bai2", "csv", "json"]
#: Bytes that are looked at.
_HEAD: Final = 1 << 16
_PACKED: Final = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd"}
_MT: Final = re.compile(rb"(?:^|[\r\n]):20:")
_BAI: Final = re.compile(rb"\s*01,")
_XML: Final = (b"<", codecs.BOM_UTF16_LE + b"<\0", codecs.BOM_UTF16_BE + b"\0<", b"<\0", b"\0<")


def detect(data: bytes, mapped: bool) -> Kind:
    """The format of a file; `mapped`: there is a mapping, so that what is nothing else is CSV or JSON.

    Raises:
        Refusal: `empty`, `format_unknown`, or `encoding` where that hides the format. Packed files are not unpacked:
            their size would be anybody's guess.
    """
    head = data[:_HEAD].removeprefix(codecs.BOM_UTF8).lstrip()
    if not head and len(data) <= _HEAD:
        raise Refusal("empty", "there is nothing in it")
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            raise Refusal("format_unknown", f"it is packed with {name}: unpack it first")
    if head.startswith(_XML):
        return "camt"
    if _MT.search(head):
        return "mt940"
    if _BAI.match(head):
        return "bai2"
    if not mapped and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refusal("encoding", "the file is UTF-16: name its format and its encoding, or convert it to UTF-8")
    if not mapped:
        raise Refusal("format_unknown", "it begins as none of camt, MT940, BAI2: name the format, or give a mapping")
    return "json" if head[:1] in {b"[", b"{"} else "csv"
