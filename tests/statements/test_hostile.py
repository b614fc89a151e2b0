"""Files that nobody should send: refused with a reason, in bounded time and memory, and never an exception."""

from __future__ import annotations

import gzip
import io
import resource
import time
import zipfile
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.statements import parsed
from schemas.external_statements import REFERENCES, REFUSALS, RefusedFile
from tests.statements.files import JSON, SOUND, bai2, camt, entry, mapping, mt940, refused, try_read, whole

GOOD = whole(entry("10.00"), closing="110.00")
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)


def _sound(found: object) -> bool:
    """It has passed its gates; of what was imported everything adds up."""
    if isinstance(found, RefusedFile):
        assert found.reason in REFUSALS
        assert found.detail
        return False
    for statement, lines in found.statements:  # type: ignore[attr-defined]
        net = sum(line.amount_minor for line in lines)
        assert statement.line_count == len(lines)
        assert statement.credit_minor - statement.debit_minor == net
        if statement.proof == "balances":
            assert statement.opening_minor + net == statement.closing_minor
        assert {line.asset for line in lines} <= {statement.asset}
        assert all(set(line.references) <= set(REFERENCES) for line in lines)
    return True


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_passes(name: str) -> None:
    data, reading = SOUND[name]
    assert _sound(try_read(data, **reading))


@pytest.mark.parametrize("name", SOUND)
def test_a_file_cut_short_at_any_byte_gives_no_other_lines(name: str) -> None:
    data, reading = SOUND[name]
    full = try_read(data, **reading)
    kinds = {"MT940": "mt940", "MT942": "mt940", "BAI2": "bai2", "CSV": "csv", "JSON": "json"}
    for end in range(len(data)):
        found = try_read(data[:end], format=kinds.get(name, "camt"), **reading)
        if _sound(found) and name not in {"CSV", "MT942"}:
            # Only what says nothing, such as the end of the last line, may be missing.
            assert [one.lines_without_place for one in _without_place(found)] == [
                one.lines_without_place for one in _without_place(full)
            ]


class _Said:
    def __init__(self, lines: object):
        self.lines_without_place = [(line.amount_minor, line.fingerprint) for line in lines]  # type: ignore[attr-defined]


def _without_place(found: object) -> list[_Said]:
    return [_Said(one.lines) for one in found.statements]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SOUND)
@given(data=st.data())
def test_bytes_that_change_give_sound_lines_or_a_reason(name: str, data: st.DataObject) -> None:
    raw, reading = SOUND[name]
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(changed) - 1))
        how = data.draw(st.sampled_from(["set", "delete", "insert", "copy"]))
        if how == "set":
            changed[place] = data.draw(st.integers(0, 255))
        elif how == "delete":
            del changed[place : place + data.draw(st.integers(1, 20))]
        elif how == "insert":
            changed[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            end = place + data.draw(st.integers(1, 80))
            changed[place:place] = changed[place:end]
        if not changed:
            break
    _sound(try_read(bytes(changed), **reading))


@given(st.binary(max_size=400), st.sampled_from(["auto", "camt", "mt940", "bai2", "csv", "json"]))
@example(b"\x00", "auto")
@example(b"\xff\xfe<\x00", "auto")
@example(b":20:\n", "auto")
@example(b"01,\n", "auto")
def test_any_bytes_give_lines_or_a_reason(raw: bytes, kind: str) -> None:
    _sound(try_read(raw, format=kind))
    _sound(try_read(raw, format=kind, mapping=mapping()))


@given(st.lists(st.sampled_from([":20:R", ":25:A", ":28C:1", ":60F:C261126EUR1,", ":61:261127C1,NTRFX", ":86:x",
    ":62F:C261127EUR2,", ":62M:C261127EUR2,", ":60M:C261126EUR1,", ":90C:1EUR1,", ":34F:EUR0,", "-", ":61:", "y",
    ":28C:1/2"]), max_size=20))  # fmt: skip
def test_fields_in_any_order(lines: list[str]) -> None:
    _sound(try_read("\n".join(lines), format="mt940"))


@given(st.lists(st.sampled_from(["01,a,b,261127,,1,,,2/", "02,a,b,1,261127,,USD,2/", "03,1,USD,010,1,,,015,2,,/",
    "16,165,1,Z,,,x", "88,x", "88,/", "49,4,3/", "98,4,1,5/", "99,4,1,7/", "16,165,1,D,99999,x", "49,,/"]),
    max_size=14))  # fmt: skip
def test_records_in_any_order(lines: list[str]) -> None:
    _sound(try_read("\n".join(lines), format="bai2"))


@pytest.mark.parametrize(
    "prolog",
    [
        BOMB + "]>",
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
        "<!DOCTYPE Document>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_and_entities_are_refused(prolog: str, encoding: str) -> None:
    data = camt(GOOD, prolog=prolog).decode().replace('encoding="UTF-8"', f'encoding="{encoding.upper()}"')
    started = time.process_time()
    found = refused(data.encode(encoding))
    assert found.reason == "forbidden_xml"
    assert time.process_time() - started < 1
    assert "root:" not in found.detail


def test_an_entity_that_nobody_declared_is_malformed() -> None:
    assert refused(camt(GOOD.replace("S-7", "&a;"))).reason == "malformed"


def test_nesting_without_end_is_malformed() -> None:
    assert refused(camt("<a>" * 100_000)).reason == "malformed"


def test_a_statement_in_utf_16_is_read() -> None:
    data = camt(GOOD).decode().replace('encoding="UTF-8"', 'encoding="UTF-16"')
    assert _sound(try_read(data.encode("utf-16")))


@pytest.mark.parametrize(
    ("data", "reading"),
    [
        (camt(GOOD.replace("S-7", "Müller")).decode().encode("latin-1"), {}),
        (camt(GOOD).replace(b"UTF-8", b"KLINGON"), {}),
        (mt940(":86:Müller", closing="62F:C261127EUR100,").encode("latin-1"), {}),
        (mt940(":86:x\0", closing="62F:C261127EUR100,").encode(), {}),
        (mt940(closing="62F:C261127EUR100,").encode("utf-16"), {"format": "mt940"}),
        (mt940(closing="62F:C261127EUR100,").encode("utf-16"), {}),
        (mt940(closing="62F:C261127EUR100,").encode(), {"encoding": "klingon"}),
        (mt940(closing="62F:C261127EUR100,").encode(), {"encoding": "rot13"}),
        (mt940(":86:\\ud800", closing="62F:C261127EUR100,").encode(), {"encoding": "unicode_escape"}),
        (JSON.replace(b'"id":"a"', b'"id":"\\ud83d"'), SOUND["JSON"][1]),
    ],
)
def test_a_wrong_encoding_is_said(data: bytes, reading: dict[str, Any]) -> None:
    assert refused(data, **reading).reason == "encoding"


def test_the_encoding_of_a_bank_can_be_named() -> None:
    data = mt940(":61:261127C10,NTRFX", ":86:Müller", closing="62F:C261127EUR110,").encode("latin-1")
    assert _sound(try_read(data, encoding="latin-1"))


def test_packed_files_are_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.xml", b"\0" * (50 << 20))
    for data in (gzip.compress(b"\0" * (50 << 20)), packed.getvalue()):
        found = refused(data)
        assert found.reason == "format_unknown"
        assert "unpack it first" in found.detail


def test_a_file_above_the_limit_is_not_read() -> None:
    assert refused(b"x" * 2_001, max_bytes=2_000).reason == "too_large"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MT940", "BAI2", "CSV", "JSON", "camt.053"])
def test_one_line_of_many_megabytes_takes_bounded_time_and_memory(name: str) -> None:
    beginning, reading = SOUND[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    found = try_read(beginning[:-30] + b"9" * (32 << 20), **reading)
    assert not _sound(found)
    assert time.process_time() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20, "in KiB: a gibibyte"


@pytest.mark.parametrize("number", ["-1", "1.5", "9" * 30, "x"])
def test_sequence_numbers_that_are_none(number: str) -> None:
    assert refused(camt(GOOD.replace(">7<", f">{number}<"))).reason == "malformed"
    beside_another = GOOD.replace("<ElctrncSeqNb>7<", f"<ElctrncSeqNb>{number}</ElctrncSeqNb><LglSeqNb>7<")
    beside_another = beside_another.replace("7</ElctrncSeqNb>", "7</LglSeqNb>")
    found = refused(camt(beside_another))
    assert (found.reason, "ElctrncSeqNb" in found.detail) == ("malformed", True)


def test_a_statement_that_stands_there_twice() -> None:
    assert refused(camt(GOOD, GOOD)).reason == "sequence_repeated"
    unnumbered = whole(entry("10.00"), entry("10.00", "DBIT"), closing="100.00", number="")
    assert refused(camt(unnumbered, unnumbered)).reason == "sequence_repeated"


def test_a_refusal_is_short_whatever_it_refuses() -> None:
    found = refused(camt(GOOD.replace("NL26VAYB8060476890", "X" * 10_000).replace("110.00", "1" * 10_000)))
    assert len(found.detail) <= 1_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "reading", "reason"),
    [
        (b":20:R\n" + b"\n" * 4_000_001, {}, "too_large"),
        (b"[" + b"{}," * 2_000_001, {"mapping": mapping()}, "too_large"),
        (b'[{"a":1}]' + b" " * 1_000, {"mapping": mapping(), "format": "json"}, "currency"),
        (b"01,a,b,261127,,1,,,2/\n" + b"88,x\n" * 2_000, {}, "malformed"),
        (bai2(["165,5,Z,,,x" + "\n88,x" * 2_000]).encode(), {}, "malformed"),
        (camt("<Stmt>" + "<x/>" * (7 << 20) + "</Stmt>"), {}, "too_large"),
    ],
    ids=["lines", "objects", "spaces", "continuations", "parts", "elements"],
)
def test_more_than_fits_into_memory(data: bytes, reading: dict[str, Any], reason: str) -> None:
    started = time.process_time()
    assert refused(data, **reading).reason == reason
    assert time.process_time() - started < 30


@pytest.mark.slow
def test_details_without_end_take_linear_time() -> None:
    started = time.process_time()
    data = mt940(":61:261127C10,NTRFX", *[":86:xxxxxxxxxxxxxxxxxxxx"] * 200_000, closing="62F:C261127EUR110,")
    assert _sound(try_read(data.encode()))
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    ("data", "reading"),
    [
        (b"date,amount,currency\n" + b"2026-11-27,1,EUR\n" * 101, {"mapping": mapping()}),
        (camt(whole(*[entry("1.00")] * 101, closing="201.00")), {}),
        (mt940(*[":61:261127C1,NTRFX"] * 101, closing="62F:C261127EUR201,").encode(), {}),
        (bai2(["165,5,Z,,,"] * 101).encode(), {}),
    ],
)
def test_more_lines_than_are_read(data: bytes, reading: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed, "MOST_ENTRIES", 101)
    assert _sound(try_read(data, **reading))
    monkeypatch.setattr(parsed, "MOST_ENTRIES", 100)
    found = refused(data, **reading)
    assert (found.reason, found.kept) == ("too_large", True)
