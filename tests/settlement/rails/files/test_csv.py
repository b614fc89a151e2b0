"""The CSV rail: payment files by a mapping of columns, answer files by another."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.settlement.rails.csv.rail import CsvRail
from agents.settlement.rails.csv.settings import CsvSettings
from agents.settlement.rails.csv.writing import write_csv
from agents.settlement.rails.port import RailMisconfigured
from agents.settlement.rails.registry import Registry, Surroundings
from schemas.assets import Asset, AssetRegistry
from schemas.rail_batches import RailAnswer, RailInstruction
from schemas.rail_settings import Adapter, BatchLimits
from schemas.rails import Rail
from tests.settlement.rails.batches import batch

BATCH = batch(count=3)
IDS = [one.end_to_end_id for one in BATCH.instructions]
EUR = AssetRegistry().get("EUR")
OUT: dict[str, Any] = {
    "columns": {
        "Ref": "end_to_end_id",
        "Account": "beneficiary",
        "Amount": "amount",
        "Currency": "asset",
        "Text": "remittance",
        "Day": "execution_date",
        "Type": {"const": "PAYOUT"},
        "No": "number",
    }
}
IN: dict[str, Any] = {
    "end_to_end_id": "Ref",
    "status": "Status",
    "statuses": {"PAID": "settled", "BOUNCED": "returned", "NO": "rejected", "OK": "accepted"},
    "amount": "Amount",
    "fee": "Fee",
    "reference": "Id",
    "code": "Why",
    "value_date": "Day",
}


def settings(out: dict[str, Any] | None = None, in_: dict[str, Any] | None = None, **changes: Any) -> CsvSettings:
    return CsvSettings.model_validate({"out": OUT | (out or {}), "in": IN | (in_ or {}), "quiet_ms": 0} | changes)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def rows(content: bytes | None, delimiter: str = ",") -> list[list[str]]:
    assert content is not None
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))


def test_a_row_for_each_instruction() -> None:
    written = write_csv(BATCH, settings(), EUR)
    header, first, *rest = rows(written.content)
    assert header == ["Ref", "Account", "Amount", "Currency", "Text", "Day", "Type", "No"]
    assert first == [IDS[0], f"DE{0:020}", "1.00", "EUR", "Payout 0", "2026-11-23", "PAYOUT", "1"]
    assert len(rest) == 2
    assert write_csv(BATCH, settings(), EUR) == written


def test_units_marks_days_and_encodings() -> None:
    out = {"amount_unit": "major", "decimal_mark": ",", "delimiter": ";", "date_format": "%d.%m.%Y", "header": False}
    (first, *_) = rows(write_csv(BATCH, settings(out), EUR).content, ";")
    assert (first[2], first[5]) == ("1,00", "23.11.2026")
    (_, first, *_) = rows(write_csv(BATCH, settings({"amount_unit": "minor"}), EUR).content)
    assert first[2] == "100"
    (_, first, *_) = rows(write_csv(BATCH, settings(), Asset(code="JPY", exponent=0)).content)
    assert first[2] == "100"
    written = write_csv(_paying("Łódź"), settings({"encoding": "iso-8859-1"}), EUR)
    assert written.content is None
    assert [one.code for one in written.refused] == ["encoding"]
    assert write_csv(_paying("Öl"), settings({"encoding": "iso-8859-1"}), EUR).content is not None


def _paying(remittance: str, beneficiary: str = "x") -> Any:
    made = RailInstruction(IDS[0], ("t",), beneficiary, 100, remittance, remittance)
    return msgspec.structs.replace(BATCH, instructions=(made,))


@given(st.text(max_size=60))
def test_no_text_of_others_breaks_a_row_or_is_a_formula(text: str) -> None:
    written = write_csv(_paying(text), settings(), EUR)
    if written.content is None:
        assert written.refused[0].code == "encoding"  # a lone surrogate
        return
    header, row = rows(written.content)
    assert len(row) == len(header)
    assert not row[4].startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("beneficiary", ["", "a\nb", " a", "a  b"])
def test_an_account_that_is_not_one_text_is_refused(beneficiary: str) -> None:
    written = write_csv(_paying("x", beneficiary), settings(), EUR)
    assert (written.content, written.refused[0].code) == (None, "AC01")


@pytest.mark.parametrize(
    "out",
    [
        {"columns": {**OUT["columns"], "Währung €": "asset"}},
        {"columns": {**OUT["columns"], "Kind": {"const": "Łódź"}}},
        {"delimiter": "€"},
    ],
)
def test_what_the_encoding_does_not_have_stands_in_no_setting(out: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="iso-8859-1"):
        settings({"encoding": "iso-8859-1"} | out)
    assert write_csv(BATCH, settings(out), EUR).content is not None


def test_an_account_is_written_as_it_is() -> None:
    (_, row) = rows(write_csv(_paying("x", "+4915112345"), settings(), EUR).content)
    assert row[1] == "+4915112345"


def test_an_asset_that_is_not_known_has_no_decimals() -> None:
    with pytest.raises(RailMisconfigured, match="EUR is no asset that is registered"):
        write_csv(BATCH, settings(), None)


def test_batches_that_bring_money_in() -> None:
    incoming = batch(direction="in")
    assert write_csv(incoming, settings(), EUR).content is None
    columns = OUT["columns"] | {"Way": "direction"}
    (_, first, *_) = rows(write_csv(incoming, settings({"columns": columns}, both_directions=True), EUR).content)
    assert first[-1] == "in"
    with pytest.raises(ValidationError, match="no column of `out` holds the direction"):
        settings(both_directions=True)


# ---- answers ---------------------------------------------------------------------------------------------

HEADER = "Ref,Status,Amount,Fee,Id,Why,Day\n"


class Partner:
    """A rail with a batch handed over, and a partner that answers."""

    def __init__(self, folder: Path, in_: dict[str, Any] | None = None):
        self.folder = folder
        self.rail = CsvRail("sim", settings(in_=in_), Surroundings(folder, now_ms, AssetRegistry))
        asyncio.run(self.rail.submit(BATCH))

    def answer(self, text: str | bytes) -> list[RailAnswer]:
        (self.folder / "inbox").mkdir(exist_ok=True)
        path = self.folder / "inbox" / "answer.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(path, (1_795_409_400, 1_795_409_400))
        return list(asyncio.run(self.rail.collect()))

    @property
    def refusal(self) -> str:
        (path,) = (self.folder / "refused").glob("*.reason")
        return path.read_text()


def test_rows_are_answers(tmp_path: Path) -> None:
    (answer,) = Partner(tmp_path).answer(
        HEADER
        + f"{IDS[0]},PAID,1.00,0.05,P-1,,2026-11-24\n"
        + f"{IDS[1]},NO,,,,closed,\n"
        + "RENT-11,PAID,7.00,,,,\n\n"
        + f'{IDS[2]},BOUNCED,2.50,,P-2,"a, b",\n'
    )
    assert (answer.batch_id, answer.state, answer.at) == (
        BATCH.batch_id,
        "partially_settled",
        "2026-11-23T04:50:00.000Z",
    )
    paid, refused, bounced = answer.instructions
    assert (paid.state, paid.settled_minor, paid.fee_minor, paid.rail_reference) == ("settled", 100, 5, "P-1")
    assert paid.value_date == "2026-11-24"
    assert (refused.state, refused.settled_minor, refused.code) == ("rejected", None, "closed")
    assert (bounced.state, bounced.settled_minor, bounced.code) == ("returned", 250, "a, b")


def test_amounts_in_minor_units_and_other_marks(tmp_path: Path) -> None:
    partner = Partner(tmp_path / "a", {"amount_unit": "minor"})
    (answer,) = partner.answer(HEADER + f"{IDS[0]},PAID,100,5,P-1,,\n")
    assert (answer.instructions[0].settled_minor, answer.instructions[0].fee_minor) == (100, 5)
    other = Partner(tmp_path / "b", {"decimal_mark": ",", "delimiter": ";", "skip_lines": 2, "date_format": "%d.%m.%Y"})
    (answer,) = other.answer("made by\nsomebody\n" + HEADER.replace(",", ";") + f"{IDS[0]};PAID;1,00;;P;;24.11.2026\n")
    assert (answer.instructions[0].settled_minor, answer.instructions[0].value_date) == (100, "2026-11-24")


ROW = f"{IDS[0]},PAID,1.00,,P-1,,\n"
HOSTILE: list[tuple[str | bytes, str]] = [
    ("", "mapping"),
    (HEADER, "empty"),
    (HEADER + "RENT-11,PAID,7.00,,,,\n", "empty"),
    (HEADER.replace("Status", "State") + ROW, "mapping"),
    (HEADER.replace("Why", "Ref") + ROW, "mapping"),
    (HEADER + ROW.replace("PAID", "DONE"), "mapping"),
    (HEADER + ROW.replace("1.00", "1.001"), "amount"),
    (HEADER + ROW.replace("1.00", "1e2"), "amount"),
    (HEADER + ROW.replace("1.00", "-1.00"), "sign"),
    (HEADER + ROW.replace("1.00", "9" * 30), "amount"),
    (HEADER + ROW.replace("1.00,,", "1.00,x,"), "amount"),
    (HEADER + ROW + f"{IDS[1]},PAID\n", "malformed"),
    (HEADER + ROW + f'{IDS[1]},"PAID', "malformed"),
    (HEADER + ROW + "x" * 20_000 + ",,,,,,\n", "malformed"),
    (HEADER + ROW + "x" * 200_000 + ",,,,,,\n", "malformed"),
    (HEADER + ROW.replace("P-1,,", "P-1,,30.02.2026"), "date"),
    ((HEADER + ROW).encode("utf-16"), "encoding"),
    (HEADER.encode() + ROW.encode().replace(b"P-1", b"\xff"), "encoding"),
    (HEADER.encode() + ROW.encode().replace(b"P-1", b"\x00"), "encoding"),
    (HEADER + f"{batch(7).instructions[0].end_to_end_id},PAID,1.00,,,,\n", "currency"),
]


@pytest.mark.parametrize(("content", "reason"), HOSTILE, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(HOSTILE)])
def test_a_hostile_file_says_nothing_and_is_refused_with_a_reason(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    partner = Partner(tmp_path)
    assert partner.answer(content) == []
    assert partner.refusal.rstrip().endswith(f"({reason})"), partner.refusal
    assert len(partner.answer(HEADER + ROW)) == 1, "and holds up nothing"


def test_without_a_mapping_nothing_is_read(tmp_path: Path) -> None:
    one = CsvRail(
        "sim", CsvSettings.model_validate({"out": OUT, "quiet_ms": 0}), Surroundings(tmp_path, now_ms, AssetRegistry)
    )
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "1.csv").write_text(HEADER + ROW)
    assert asyncio.run(one.collect()) == []
    assert len(list((tmp_path / "refused").iterdir())) == 2


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ({"columns": {"a": "amount"}}, "columns: nothing holds beneficiary, end_to_end_id"),
        ({"columns": {}}, "out.columns"),
        ({"columns": {"a": "colour"}}, "out.columns"),
        ({"delimiter": "."}, "delimiter: a quote"),
        ({"delimiter": ";;"}, "out.delimiter"),
        ({"encoding": "utf-7"}, "out.encoding"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, out: dict[str, Any], message: str) -> None:
    record = Rail(
        name="r",
        settlement="deferred",
        batches=BatchLimits(max_age_s=60),
        adapter=Adapter(kind="csv", settings={"out": OUT | out}),
    )
    with pytest.raises(RailMisconfigured, match=message):
        Registry().open(record, Surroundings(tmp_path, now_ms, AssetRegistry))
    fair = record.model_copy(update={"adapter": Adapter(kind="csv", settings={"out": OUT, "in": IN})})
    assert isinstance(Registry().open(fair, Surroundings(tmp_path, now_ms, AssetRegistry)), CsvRail)
