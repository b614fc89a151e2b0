"""The ISO 20022 rail: a batch out, the bank's messages in, and files that are refused whole."""

from __future__ import annotations

import asyncio
import importlib.resources
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.settlement.rails.iso20022.pain001 import write_pain001
from agents.settlement.rails.iso20022.rail import SCHEMA_FILE, Iso20022Rail
from agents.settlement.rails.iso20022.settings import Iso20022Settings
from agents.settlement.rails.port import RailMisconfigured, RailUnknown
from agents.settlement.rails.registry import Registry, Surroundings
from schemas.assets import AssetRegistry
from schemas.rail_batches import RailAnswer
from schemas.rail_settings import Adapter, BatchLimits
from schemas.rails import Rail
from tests.settlement.rails.batches import batch
from tests.settlement.rails.files.messages import IBAN, Booking, Tx, booked, camt054, pacs002, pain002

BATCH = batch(count=3)
IDS = [one.end_to_end_id for one in BATCH.instructions]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def rail(folder: Path, **changes: Any) -> Iso20022Rail:
    settings: dict[str, Any] = {
        "debtor_name": "Ours",
        "debtor_iban": IBAN,
        "quiet_ms": 0,
        "beneficiaries": "any",
    } | changes
    return Iso20022Rail("sim", Iso20022Settings(**settings), Surroundings(folder, now_ms, AssetRegistry))


class Bank:
    """A rail with a batch handed over, and a bank that answers."""

    def __init__(self, folder: Path, **changes: Any):
        self.folder = folder
        self.rail = rail(folder, **changes)
        assert run(self.rail.submit(BATCH)).state == "received"
        self._number = 0

    def answer(self, content: bytes) -> list[RailAnswer]:
        """What the rail makes of a message; acknowledged."""
        self._number += 1
        (self.folder / "inbox").mkdir(exist_ok=True)
        path = self.folder / "inbox" / f"{self._number:03}.xml"
        path.write_bytes(content)
        os.utime(path, (1_795_409_400, 1_795_409_400))
        answers = list(run(self.rail.collect()))
        for one in answers:
            run(self.rail.acknowledge(one.answer_id))
        return answers

    @property
    def refusal(self) -> str:
        """Why the last file was refused."""
        (path,) = (self.folder / "refused").glob("*.reason")
        return path.read_text()


def run(work: Any) -> Any:
    return asyncio.run(work)


def facts(answers: Sequence[RailAnswer]) -> list[tuple[str, str, int | None, str]]:
    """(last of the end-to-end id, state, settled_minor, code) of every instruction named."""
    return [
        (fact.end_to_end_id[-1], fact.state, fact.settled_minor, fact.code)
        for answer in answers
        for fact in answer.instructions
    ]


def test_a_batch_is_a_file_in_the_outbox_whose_status_is_known(tmp_path: Path) -> None:
    one = rail(tmp_path)
    assert run(one.status(BATCH.batch_id)) is None
    answer = run(one.submit(BATCH))
    assert run(one.status(BATCH.batch_id)) == answer == run(rail(tmp_path).submit(BATCH))
    (path,) = (tmp_path / "outbox").iterdir()
    assert path.name == f"{BATCH.batch_id}.pain.001.001.09.xml"
    settings = Iso20022Settings(debtor_name="Ours", debtor_iban=IBAN, beneficiaries="any")
    assert path.read_bytes() == write_pain001(BATCH, settings, AssetRegistry().get("EUR")).content


def test_refused_accounts_are_told_at_once(tmp_path: Path) -> None:
    one = rail(tmp_path, beneficiaries="iban")
    answer = run(one.submit(BATCH))
    assert (answer.state, len(answer.instructions)) == ("rejected", 3)
    assert run(one.status(BATCH.batch_id)) == answer


# ---- what banks say --------------------------------------------------------------------------------------


def test_a_group_that_is_rejected_is_rejected_whole(tmp_path: Path) -> None:
    (answer,) = Bank(tmp_path).answer(pain002(BATCH.batch_id, group="RJCT", code="AM05"))
    assert (answer.batch_id, answer.state, answer.code) == (BATCH.batch_id, "rejected", "AM05")
    assert answer.at == "2026-11-23T09:15:30.000Z"


def test_payments_are_told_one_by_one(tmp_path: Path) -> None:
    said = [Tx(IDS[0], "ACSP"), Tx(IDS[1], "RJCT", "AC04", "Account closed"), Tx(IDS[2], "PDNG")]
    for message in (pain002, pacs002):
        answers = Bank(tmp_path / message.__name__).answer(message(BATCH.batch_id, said, group="PART"))
        assert [answer.state for answer in answers] == ["partially_settled", "received"]
        assert facts(answers) == [("0", "accepted", None, ""), ("1", "rejected", None, "AC04")]
        assert answers[0].message in ("Account closed", "PART")


@pytest.mark.parametrize("version", ["pain.002.001.03", "pain.002.001.10", "pain.002.001.14"])
def test_versions_of_status_reports(tmp_path: Path, version: str) -> None:
    (answer,) = Bank(tmp_path).answer(pain002(BATCH.batch_id, group="ACCP", version=version))
    assert answer.state == "accepted"


@pytest.mark.parametrize("end_to_end", [b"", b"<OrgnlEndToEndId>NOTPROVIDED</OrgnlEndToEndId>"])
def test_a_status_names_a_payment_by_its_instruction_id_too(tmp_path: Path, end_to_end: bytes) -> None:
    content = pain002(BATCH.batch_id, [Tx(IDS[0], "RJCT", "AC01"), Tx(IDS[1], "ACSP")])
    content = content.replace(f"<OrgnlEndToEndId>{IDS[0]}</OrgnlEndToEndId>".encode(), end_to_end)
    assert facts(Bank(tmp_path).answer(content)) == [("0", "rejected", None, "AC01"), ("1", "accepted", None, "")]


def test_a_booking_names_a_payment_by_its_instruction_id_too(tmp_path: Path) -> None:
    content = camt054([Booking(-100, IDS[0], block_id=BATCH.batch_id)])
    own = b"<InstrId>" + IDS[0].encode() + b"</InstrId><EndToEndId>NOTPROVIDED</EndToEndId>"
    content = content.replace(b"<EndToEndId>" + IDS[0].encode() + b"</EndToEndId>", own)
    assert facts(Bank(tmp_path).answer(content)) == [("0", "settled", 100, "")]


def test_a_settled_status_settles_only_where_the_settings_say_so(tmp_path: Path) -> None:
    said = pain002(BATCH.batch_id, [Tx(one, "ACSC") for one in IDS], group="ACSC")
    by_notification = Bank(tmp_path / "a").answer(said)
    assert [answer.state for answer in by_notification] == ["partially_settled", "accepted"]
    assert {state for _, state, _, _ in facts(by_notification)} == {"accepted"}
    by_status = Bank(tmp_path / "b", settled_by="status")
    answers = by_status.answer(said)
    assert [answer.state for answer in answers] == ["partially_settled", "settled"]
    assert {(fact.state, fact.rail_reference) for fact in answers[0].instructions} == {("settled", one) for one in IDS}
    assert by_status.answer(camt054(booked(BATCH))) == [], "the booking would settle it a second time"
    returned = by_status.answer(camt054([Booking(100, IDS[0], return_code="AC04")]))
    assert facts(returned) == [("0", "returned", 100, "AC04")], "what comes back counts in any case"


def test_the_worst_that_is_said_of_the_whole_counts(tmp_path: Path) -> None:
    (answer,) = Bank(tmp_path).answer(pain002(BATCH.batch_id, group="PART", block="RJCT", code="AG01"))
    assert (answer.state, answer.code) == ("rejected", "AG01")


def test_bookings_settle_payment_by_payment(tmp_path: Path) -> None:
    (answer,) = Bank(tmp_path).answer(camt054(booked(BATCH)))
    assert answer.state == "partially_settled"
    assert facts([answer]) == [("0", "settled", 100, ""), ("1", "settled", 200, ""), ("2", "settled", 300, "")]
    first = answer.instructions[0]
    assert (first.rail_reference, first.value_date, first.fee_minor) == ("BANKREF-0", "2026-11-24", 0)
    assert answer.at == "2026-11-23T04:50:00.000Z"


def test_what_comes_back_is_a_return(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    assert facts(bank.answer(camt054([Booking(200, IDS[1], "R-1", "AC04")]))) == [("1", "returned", 200, "AC04")]
    (answer,) = bank.answer(camt054([Booking(50, IDS[2], "R-2")]))
    assert facts([answer]) == [("2", "returned", 50, "X")]
    assert answer.instructions[0].rail_reference == "R-2"
    (charged,) = bank.answer(camt054([Booking(97, IDS[0], "R-3", charges="0.03")]))
    assert facts([charged]) == [("0", "returned", 100, "X")]
    assert charged.instructions[0].fee_minor == 3


def test_bookings_of_others_and_such_that_are_not_final_are_passed_over(tmp_path: Path) -> None:
    bookings = [Booking(-999, "RENT-11"), Booking(12_345), Booking(-100, IDS[0], status="PDNG")]
    assert Bank(tmp_path).answer(camt054(bookings)) == []


def test_a_batch_that_is_booked_as_one_sum_settles_if_it_is_the_sum(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    (answer,) = bank.answer(camt054([Booking(-600, block_id=BATCH.batch_id)]))
    assert [state for _, state, _, _ in facts([answer])] == ["settled"] * 3
    assert len({fact.rail_reference for fact in answer.instructions}) == 3
    (charged,) = bank.answer(camt054([Booking(-603, block_id=BATCH.batch_id, charges="0.03")]))
    assert [(fact.settled_minor, fact.fee_minor) for fact in charged.instructions] == [(100, 3), (200, 0), (300, 0)]
    (unclear,) = bank.answer(camt054([Booking(-500, block_id=BATCH.batch_id)]))
    assert (unclear.state, unclear.instructions) == ("unknown", ())
    assert "booked as one sum of 500, but 600 were sent" in unclear.message


def test_a_booking_that_names_one_payment_of_several_is_not_of_that_one_alone(tmp_path: Path) -> None:
    content = camt054([Booking(-600, IDS[0], block_id=BATCH.batch_id)])
    content = content.replace(b"</PmtInfId></Btch>", b"</PmtInfId><NbOfTxs>3</NbOfTxs></Btch>")
    (answer,) = Bank(tmp_path).answer(content)
    assert facts([answer]) == [("0", "settled", 100, ""), ("1", "settled", 200, ""), ("2", "settled", 300, "")]


@pytest.mark.parametrize("settled_by", ["notification", "status"])
def test_a_batch_that_comes_back_as_one_sum_is_returned_if_it_is_the_sum(tmp_path: Path, settled_by: str) -> None:
    bank = Bank(tmp_path, settled_by=settled_by)
    (answer,) = bank.answer(camt054([Booking(600, block_id=BATCH.batch_id, reference="R-1")]))
    assert facts([answer]) == [("0", "returned", 100, "X"), ("1", "returned", 200, "X"), ("2", "returned", 300, "X")]
    assert [fact.rail_reference for fact in answer.instructions] == ["R-1 1 back", "R-1 2 back", "R-1 3 back"]
    (unclear,) = bank.answer(camt054([Booking(500, block_id=BATCH.batch_id)]))
    assert (unclear.state, unclear.instructions) == ("unknown", ())
    assert "500 came back as one sum, but 600 were sent" in unclear.message


@pytest.mark.parametrize(
    "booking", [Booking(-100, IDS[0], currency="JPY"), Booking(-600, block_id=BATCH.batch_id, currency="USD")]
)
def test_a_booking_in_another_currency_settles_nothing(tmp_path: Path, booking: Booking) -> None:
    bank = Bank(tmp_path)
    account = f"<Ccy>{booking.currency}</Ccy>".encode()
    assert bank.answer(camt054([booking]).replace(b"<Ccy>EUR</Ccy>", account).replace(b'JPY">1.00', b'JPY">100')) == []
    assert "(currency)" in bank.refusal
    assert BATCH.asset in bank.refusal


def test_long_messages_are_cut_into_answers_that_fit(tmp_path: Path) -> None:
    said = [Tx(f"{BATCH.batch_id}-{number}", "RJCT", "AC04") for number in range(1_201)]
    answers = Bank(tmp_path).answer(pain002(BATCH.batch_id, said))
    assert [len(answer.instructions) for answer in answers] == [500, 500, 201]
    assert len({answer.answer_id for answer in answers}) == 3


def test_one_message_may_be_about_several_batches(tmp_path: Path) -> None:
    other = batch(2)
    said = [Tx(IDS[0], "ACSP"), Tx(other.instructions[0].end_to_end_id, "ACSP")]
    assert [one.batch_id for one in Bank(tmp_path).answer(pacs002("", said))] == [BATCH.batch_id, other.batch_id]


def totals(count: object, total: object) -> str:
    return f"<OrgnlNbOfTxs>{count}</OrgnlNbOfTxs><OrgnlCtrlSum>{total}</OrgnlCtrlSum>"


def test_what_a_bank_says_it_was_given_is_what_was_sent(tmp_path: Path) -> None:
    agrees = totals(3, f"{BATCH.amount_minor / 100:.3f}")
    said = pain002(BATCH.batch_id, group="ACCP", totals=agrees, block_totals=agrees)
    assert [one.state for one in Bank(tmp_path).answer(said)] == ["accepted"]
    elsewhere = pain002("SOMEBODY-1", group="ACCP", totals=totals(9, 9))
    assert [one.batch_id for one in Bank(tmp_path).answer(elsewhere)] == ["SOMEBODY-1"], "of others we know nothing"


@pytest.mark.parametrize("place", ["totals", "block_totals"])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (totals(2, 6), "had '2' payments, but 3 were sent (totals)"),
        (totals(3, "6.01"), "came to '6.01', but 6.00 EUR was sent (totals)"),
        (totals("three", 6), "(malformed)"),
        (totals(3, "1e2"), "(amount)"),
    ],
)
def test_a_report_of_another_message_under_our_id_is_refused(tmp_path: Path, place: str, said: str, why: str) -> None:
    bank = Bank(tmp_path)
    assert bank.answer(pain002(BATCH.batch_id, group="RJCT", **{place: said})) == []  # type: ignore[arg-type]
    assert bank.refusal.rstrip().endswith(why), bank.refusal


# ---- what is refused -------------------------------------------------------------------------------------

FAIR = pain002(BATCH.batch_id, [Tx(IDS[0], "RJCT", "AC04")])
BOMB = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + FAIR.partition(b"?>")[
    2
].replace(b"AC04", b"&b;")
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + FAIR.partition(b"?>")[
    2
].replace(b"AC04", b"&x;")
HOSTILE = [
    (b"", "malformed"),
    (b"\x00" * 100, "malformed"),
    (b"%PDF-1.4", "malformed"),
    (FAIR[: len(FAIR) // 2], "malformed"),
    (FAIR[:-1], "malformed"),
    (FAIR + b"<more/>", "malformed"),
    (BOMB, "forbidden_xml"),
    (EXTERNAL, "forbidden_xml"),
    (BOMB.decode().replace('<?xml version="1.0"?>', "").encode("utf-16"), "forbidden_xml"),
    (FAIR.replace(b"AC04", b"\xff\xfe"), "encoding"),
    (FAIR.replace(b'encoding="UTF-8"', b'encoding="x-unknown"'), "encoding"),
    (b"<a>" * 5_000, "malformed"),
    (FAIR.replace(b"<StsRsnInf>", b"<StsRsnInf>" * 500), "malformed"),
    (FAIR.replace(b"AC04", b"A" * 11_000_000), "malformed"),
    (b"<x xmlns='urn:iso:std:iso:20022:tech:xsd:pain.002.001.03'/>", "format_unknown"),
    (FAIR.replace(b"pain.002.001.03", b"pain.001.001.03"), "format_unknown"),
    (FAIR.replace(b"urn:iso:std:iso:20022:tech:xsd:pain.002.001.03", b"http://example.org"), "format_unknown"),
    (camt054(booked(BATCH)).replace(b"camt.054", b"camt.053"), "format_unknown"),
    (FAIR.replace(b"CstmrPmtStsRpt", b"Other"), "malformed"),
    (FAIR.replace(b">RJCT<", b">WHAT<"), "malformed"),
    (FAIR.replace(b"<TxSts>RJCT</TxSts>", b""), "malformed"),
    (FAIR.replace(b"<OrgnlEndToEndId>", b"<OrgnlEndToEndId>" + b"x" * 40), "malformed"),
    (FAIR.replace(b"2026-11-23T10:15:30+01:00", b"yesterday"), "date"),
    (FAIR.replace(b"2026-11-23T10:15:30+01:00", b"0001-01-01T00:00:00+14:00"), "date"),
    (FAIR.replace(b"<CreDtTm>2026-11-23T10:15:30+01:00</CreDtTm>", b""), "malformed"),
    (pain002(BATCH.batch_id), "empty"),
    (pain002("x" * 36, group="RJCT"), "malformed"),
    (pacs002("", [Tx("RENT-11", "RJCT")]), "malformed"),
    (camt054(booked(BATCH), iban="FR1420041010050500013M02606"), "account"),
    (camt054([Booking(-100, IDS[0], currency="XXX")]), "currency"),
    (camt054([Booking(-100, IDS[0])]).replace(b"1.00<", b"1.001<"), "amount"),
    (camt054([Booking(-100, IDS[0])]).replace(b"1.00<", b"-1.00<"), "sign"),
    (camt054([Booking(-100, IDS[0])]).replace(b"1.00<", b"1e2<"), "amount"),
    (camt054([Booking(-100, IDS[0])]).replace(b"DBIT", b"DEBT"), "sign"),
    (camt054([Booking(-100, IDS[0])]).replace(b"2026-11-24", b"2026-02-30"), "date"),
]


@pytest.mark.parametrize(("content", "reason"), HOSTILE, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(HOSTILE)])
def test_a_hostile_file_says_nothing_and_is_refused_with_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    bank = Bank(tmp_path)
    assert bank.answer(content) == []
    assert bank.refusal.rstrip().endswith(f"({reason})"), bank.refusal
    assert "root:" not in bank.refusal
    assert [one.state for one in bank.answer(FAIR)] == ["partially_settled"], "and holds up nothing"


def test_a_good_part_of_a_bad_file_does_not_count(tmp_path: Path) -> None:
    said = [Tx(IDS[0], "RJCT", "AC04"), Tx(IDS[1], "WHAT")]
    assert Bank(tmp_path).answer(pain002(BATCH.batch_id, said)) == []


@pytest.mark.parametrize("name", ["camt054.v2.xml"])
def test_a_notification_of_a_real_dialect_is_read(tmp_path: Path, name: str) -> None:
    beside = Path("shared", "data", "statements", "camt", name)
    path = next((folder / beside for folder in Path(__file__).parents if (folder / beside).exists()), None)
    if path is None:
        pytest.skip("without the sample statements: a notification as a bank writes it is not read")
    bank = Bank(tmp_path, debtor_iban="CH2801234000123456789")
    assert bank.answer(path.read_bytes()) == [], "it has no payments of ours"
    assert not list((tmp_path / "refused").iterdir()), bank.refusal


# ---- surroundings ----------------------------------------------------------------------------------------


def test_a_schema_in_the_folder_checks_what_goes_out(tmp_path: Path) -> None:
    schemas = importlib.resources.files("sepaxml") / "schemas"
    tmp_path.joinpath(SCHEMA_FILE).write_bytes((schemas / "pain.001.001.03.xsd").read_bytes())
    with pytest.raises(RailMisconfigured, match="the message must not go"):
        run(rail(tmp_path).submit(BATCH))
    assert not list((tmp_path / "outbox").iterdir())
    tmp_path.joinpath(SCHEMA_FILE).write_bytes((schemas / "pain.001.001.09.xsd").read_bytes())
    assert run(rail(tmp_path).submit(BATCH)).state == "received"
    tmp_path.joinpath(SCHEMA_FILE).write_bytes(b"no schema")
    with pytest.raises(RailMisconfigured, match="the message must not go"):
        run(rail(tmp_path).submit(batch(2)))


def test_a_disk_that_refuses_leaves_it_unknown(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_bytes(b"a file where a folder should be")
    (tmp_path / "inbox").write_bytes(b"")
    one = rail(tmp_path)
    for call in (one.submit(BATCH), one.collect()):
        with pytest.raises(RailUnknown):
            run(call)


def test_the_registry_opens_one_by_its_record(tmp_path: Path) -> None:
    record = Rail(
        name="sepa",
        settlement="deferred",
        batches=BatchLimits(max_age_s=60),
        adapter=Adapter(kind="iso20022", settings={"debtor_name": "Ours", "debtor_iban": IBAN}),
    )
    opened = Registry().open(record, Surroundings(tmp_path, now_ms, AssetRegistry))
    assert isinstance(opened, Iso20022Rail)
    wrong = record.model_copy(update={"adapter": Adapter(kind="iso20022", settings={"debtor_name": "Ours"})})
    with pytest.raises(RailMisconfigured, match=r"adapter\.settings: settings: debtor_iban or debtor_account"):
        Registry().open(wrong, Surroundings(tmp_path, now_ms, AssetRegistry))
