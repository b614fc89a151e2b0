"""Two rails of files under one courier: batches become files, and what is put into the inboxes is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

from agents.settlement.rails.courier.clock import WallClock
from agents.settlement.rails.courier.courier import Courier
from agents.settlement.rails.registry import Registry
from schemas.partitioning import partition_of
from schemas.rail_settings import Adapter, BatchLimits, Retry
from schemas.rails import Rail
from tests.settlement.rails.batches import batch
from tests.settlement.rails.files.messages import IBAN, Tx, booked, camt054, pain002
from tests.settlement.rails.stage import Kept, record

PARTITIONS = 4
ISO = {"debtor_name": "Ours", "debtor_iban": IBAN, "beneficiaries": "any", "quiet_ms": 0}
CSV = {
    "out": {"columns": {"ref": "end_to_end_id", "to": "beneficiary", "amount": "amount"}},
    "in": {"end_to_end_id": "ref", "status": "status", "statuses": {"paid": "settled", "no": "rejected"}},
    "quiet_ms": 0,
}


def rail(name: str, kind: str, settings: dict[str, Any]) -> Rail:
    return Rail(
        name=name,
        settlement="deferred",
        batches=BatchLimits(max_age_s=60),
        adapter=Adapter(kind=kind, settings=settings),
        retry=Retry(poll_ms=20, first_ms=5, longest_ms=50),
    )


RAILS = {"sepa": rail("sepa", "iso20022", ISO), "partner": rail("partner", "csv", CSV)}


async def until(done: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - files know no events
            await asyncio.sleep(0.01)


def courier(folder: Path, kept: Kept) -> Courier:
    """A courier that owns everything, and has these two batches to hand over."""
    made = Courier(Registry(), kept, WallClock(), folder, PARTITIONS)
    made.configure(RAILS)
    for partition in range(PARTITIONS):
        made.own(partition)
    for number, name in enumerate(RAILS):
        made.take(partition_of(name, PARTITIONS), 0, record(batch(number, rail=name)))
    for partition in range(PARTITIONS):
        made.current(partition)
    return made


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / "inbox" / f".{name}"
    path.write_bytes(content)
    path.rename(folder / "inbox" / name)


def facts(kept: Kept, name: str) -> set[tuple[str, str]]:
    return {
        (fact.end_to_end_id[-1], fact.state)
        for answer in kept.answers
        if answer.rail == name
        for fact in answer.instructions
    }


def test_batches_become_files_and_files_become_answers(tmp_path: Path) -> None:
    sepa, partner = batch(0, rail="sepa"), batch(1, rail="partner")
    sent = tmp_path / "sepa" / "outbox" / f"{sepa.batch_id}.pain.001.001.09.xml"
    rows = tmp_path / "partner" / "outbox" / f"{partner.batch_id}.csv"

    async def go() -> None:
        kept = Kept()
        first = courier(tmp_path, kept)
        await until(lambda: len(kept.answers) == 2)
        assert {answer.state for answer in kept.answers} == {"received"}
        assert etree.parse(sent).getroot().findtext(".//{*}CtrlSum") == "6.00"
        assert rows.read_text().splitlines()[0] == "ref,to,amount"
        for path in (sent, rows):
            path.unlink()  # uploaded
        await first.close()
        again = Kept()
        second = courier(tmp_path, again)
        await until(lambda: len(again.answers) == 2)
        assert {one.answer_id for one in again.answers} == {one.answer_id for one in kept.answers}
        ids = [one.end_to_end_id for one in sepa.instructions]
        put(tmp_path / "sepa", "status.xml", pain002(sepa.batch_id, [Tx(ids[2], "RJCT", "AC04")]))
        put(tmp_path / "sepa", "bookings.xml", camt054(booked(sepa)[:2]))
        put(tmp_path / "sepa", "hostile.xml", b"<!DOCTYPE x><x/>")
        names = [one.end_to_end_id for one in partner.instructions]
        put(tmp_path / "partner", "answer.csv", f"ref,status\n{names[0]},paid\n{names[1]},no\n".encode())
        await until(lambda: len(facts(again, "sepa")) == 3 and len(facts(again, "partner")) == 2)
        assert facts(again, "sepa") == {("0", "settled"), ("1", "settled"), ("2", "rejected")}
        assert facts(again, "partner") == {("0", "settled"), ("1", "rejected")}
        await until(lambda: not list((tmp_path / "sepa" / "state" / "answers").glob("*")))
        await second.close()

    asyncio.run(go())
    assert not sent.exists()
    assert not rows.exists(), "nothing is sent a second time"
    assert len(list((tmp_path / "sepa" / "processed").iterdir())) == 2
    assert len(list((tmp_path / "sepa" / "refused").glob("*.reason"))) == 1
