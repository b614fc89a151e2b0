"""Plays a day on the three roles, from the payouts to the proof."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Final

from agents.statements.mapping import read_mapping
from agents.statements.reading import Reading
from ops.demo.day.papers import MAPPING, Moved, camt053, mt940, partner_report, report_says
from ops.demo.day.placing import Placing, placing
from ops.demo.day.roles import Roles
from ops.demo.day.script import (
    ACH,
    APPROVER,
    ASSET,
    CUSTOMERS,
    FUNDING_MINOR,
    PROPOSER,
    RAILS,
    SEPA,
    funding,
    payouts,
)
from ops.demo.day.told import REASONS_DUE, DayTold, Paper, RailTold
from ops.errors import OperationError
from ops.reconcile.days import today
from ops.reconcile.deciding import decide
from ops.reconcile.live_exceptions import read_exceptions, read_standing
from ops.reconcile.prove import prove
from ops.settlement.ordering import order
from ops.settlement.told import read_told
from schemas.events import TRANSACTION_PROCESSED, TRANSACTION_SETTLED
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException
from schemas.settlement_events import ATTEMPT_FAILED

_REFUSED: Final = "it was refused: "
#: How often it is looked whether the role has told of every line, and how far apart.
_LOOKS: Final = 100
_LOOK_EVERY_S: Final = 0.2


class Day:
    """One performance. Files of partners and banks go to `folder`."""

    def __init__(self, roles: Roles, folder: Path):
        self._roles = roles
        self._folder = folder
        self._down_from_s = time.monotonic()
        self._down_s = 0.0
        self.told = DayTold(day=today())

    async def play(self) -> DayTold:
        """Play it; what `verify` says of it is left to the caller.

        Raises:
            OperationError: something did not come, was refused, or a worker has ended.
        """
        began = time.perf_counter()
        funded = await self._pay()
        await self._hear_of_sepa(funded[SEPA])
        await self._let_come_back()
        await self._hear_of_ach(funded[ACH])
        await self._resolve()
        await self._settle_up()
        self.told.seconds = time.perf_counter() - began
        return self.told

    # ---- money out -------------------------------------------------------------------------------------

    async def _pay(self) -> dict[str, Moved]:
        """Payouts over two rails, one of them down. They wait for funds; how each rail has got them."""
        roles = self._roles
        roles.set_down(ACH, is_down=True)
        self._down_from_s = time.monotonic()
        await roles.send(payouts())

        async def waiting() -> bool | None:
            events = await roles.ledger_events()
            return sum(one.type == TRANSACTION_PROCESSED for one in events) == len(CUSTOMERS) * len(RAILS) or None

        await roles.until("the ledger's answers to all payouts", waiting)
        await roles.send(funding())
        await asyncio.gather(*(self._fund(rail) for rail in RAILS))
        return await roles.until("what operators have booked", self._funded)

    async def _fund(self, rail: str) -> None:
        reader, fund = self._roles.reader, {"kind": "fund", "asset": ASSET, "amount_minor": FUNDING_MINOR}
        await order(reader, rail, PROPOSER, "prefunding", **fund)

    async def _funded(self) -> dict[str, Moved] | None:
        events = [one for one in await self._roles.ledger_events() if one.type == TRANSACTION_SETTLED]
        found = {
            rail: Moved(rail, one.transaction_id or "", FUNDING_MINOR, f"fund-{rail}")
            for one in events
            for rail in RAILS
            if one.cause is not None and one.cause.idempotency_key == f"fund-{rail}"
        }
        return found if len(found) == len(RAILS) else None

    async def _settled(self, rail: str) -> list[Moved] | None:
        """What a rail has paid, the smallest first, once it is all."""
        events = await self._roles.ledger_events()
        mine = {one.transaction_id for one in events if one.type == TRANSACTION_PROCESSED and one.rail == rail}
        found = [
            Moved(rail, one.transaction_id, -(one.amount_minor or 0), one.rail_facts.rail_reference or "")
            for one in events
            if one.type == TRANSACTION_SETTLED and one.rail_facts is not None and one.transaction_id in mine
            if one.transaction_id is not None
        ]
        return sorted(found, key=lambda one: -one.amount_minor) if len(found) == len(CUSTOMERS) else None

    async def _let_come_back(self) -> None:
        """The rail that is down comes back, once an attempt to reach it has failed."""
        await self._roles.until(f"a failed attempt to reach {ACH}", self._failed)
        self._roles.set_down(ACH, is_down=False)
        self._down_s = time.monotonic() - self._down_from_s

    async def _failed(self) -> bool | None:
        events = await self._roles.settlement_events()
        return any(one.type == ATTEMPT_FAILED and one.rail == ACH for one in events) or None

    # ---- what others say -------------------------------------------------------------------------------

    async def _hear_of_sepa(self, funded: Moved) -> None:
        """The partner reports, and the bank tells of the last payouts; of the others it has said nothing yet."""
        paid = await self._roles.until(f"what {SEPA} has settled", lambda: self._settled(SEPA))
        self.told.payouts += paid
        mapping = read_mapping(json.dumps(MAPPING).encode())
        report = partner_report(self.told.day, funded, paid).encode()
        await self._import("report.csv", report, Reading(SEPA, side="partner", mapping=mapping), report_says())
        await self._import(
            "sepa.xml", camt053(self.told.day, [funded, *paid[4:]]), Reading(SEPA), "the bank has two payouts so far"
        )

    async def _hear_of_ach(self, funded: Moved) -> None:
        """The other bank tells of everything, without a reference of ours."""
        paid = await self._roles.until(f"what {ACH} has settled", lambda: self._settled(ACH))
        self.told.payouts += paid
        statement = mt940(self.told.day, [funded, *paid]).encode()
        await self._import("ach.sta", statement, Reading(ACH), "the bank has all, and repeats no reference of ours")

    async def _import(self, name: str, data: bytes, reading: Reading, says: str) -> None:
        path = self._folder / name
        path.write_bytes(data)
        imported = await self._roles.import_file(path, reading)
        lines = sum(records.statement.line_count for records in imported.decision.statements)
        self.told.papers.append(Paper(name, reading.account, imported.read.source.format or "", lines, says))

    # ---- two people ------------------------------------------------------------------------------------

    async def _resolve(self) -> None:
        """One person proposes and may not approve; another one approves; the ledger posts it."""
        found = await self._roles.until("the exceptions that are due", self._open)
        await asyncio.gather(*(self._resolve_one(one) for one in found))
        await self._roles.until("the end of all exceptions", self._none_open)

    async def _open(self) -> list[ReconciliationException] | None:
        found = [one for one in (await read_exceptions(self._roles.reader)).values() if one.state in OPEN_STATES]
        return found if tuple(sorted(one.reason for one in found)) == REASONS_DUE else None

    async def _none_open(self) -> bool | None:
        exceptions = await read_exceptions(self._roles.reader)
        return all(one.state not in OPEN_STATES for one in exceptions.values()) or None

    async def _resolve_one(self, one: ReconciliationException) -> None:
        reader, about = self._roles.reader, {"exception_id": one.exception_id}
        # A line that is there twice moves no money: it is explained. What differs is written off.
        kind, evidence = ("no_posting", "mail-7") if one.reason == "duplicate" else ("write_off", None)
        said = {"resolution": {"kind": kind}, "reason_code": one.reason, "evidence_ref": evidence}
        await decide(reader, one.book, PROPOSER, kind="propose", **about, **said)
        try:
            await decide(reader, one.book, PROPOSER, kind="approve", number=1, **about)
        except OperationError as error:
            if not str(error).startswith(_REFUSED):
                raise
            self.told.refusals[one.exception_id] = str(error).removeprefix(_REFUSED)
        else:
            return
        await decide(reader, one.book, APPROVER, kind="approve", number=1, **about)

    # ---- the end of the day ----------------------------------------------------------------------------

    async def _settle_up(self) -> None:
        """Find the place of every line, and prove that the money is there."""
        self.told.placing = await self._placing()
        exceptions = (await read_exceptions(self._roles.reader)).values()
        self.told.exceptions = sorted(exceptions, key=lambda one: one.reason)
        self.told.rails = [await self._rail(name) for name in RAILS]
        proven = await prove(self._roles.reader, today())
        self.told.safeguarding, self.told.balances = list(proven.safeguarding), list(proven.balances)
        self.told.proofs_hold = proven.holds

    async def _placing(self) -> Placing:
        """Where every line is, once the role has told of all of them; with what is wrong, where it does not."""
        reader = self._roles.reader
        for look in range(_LOOKS):
            await asyncio.sleep(_LOOK_EVERY_S if look else 0)
            standing, exceptions = await read_standing(reader), await read_exceptions(reader)
            lines = await self._roles.lines(RAILS)
            found = placing(lines, standing.matches.values(), exceptions.values(), standing.summaries)
            if not found.problems:
                break
        return found

    async def _rail(self, name: str) -> RailTold:
        batches = [one for one in (await read_told(self._roles.reader)).batches.values() if one.rail == name]
        events = await self._roles.settlement_events()
        journal = self._roles.journal_of(name)
        return RailTold(
            name=name,
            batches=len(batches),
            settled_minor=sum(one.settled_minor for one in batches),
            failed_attempts=sum(one.type == ATTEMPT_FAILED and one.rail == name for one in events),
            down_s=round(self._down_s, 1) if name == ACH else 0.0,
            paid=len(journal.paid),
            paid_twice=tuple(journal.paid_twice),
        )
