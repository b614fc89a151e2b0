"""A ledger's small life with something of everything, and its audit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from agents.ledger.machine import LedgerMachine
from ops.verify.audit import LedgerAudit
from ops.verify.partition import StoreCopy
from ops.verify.report import Report
from schemas import topics
from schemas.partitioning import partition_of
from streams.machine import Context, InputRecord, Output
from streams.overlay import Overlay
from tests.ops.verify.honest import Ledger

PARTITIONS = 2
#: Amount at which the machine of the story has its bug.
UNLUCKY_MINOR = 1313


class UnluckyMachine(LedgerMachine):
    """A ledger that fails on credits, and on legs, of one amount as long as `is_unlucky`."""

    is_unlucky = True

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        super().step(state, record, context, out)
        if self.is_unlucky and f'"amount_minor":{UNLUCKY_MINOR}'.encode() in (record.value or b""):
            raise RuntimeError("an unlucky amount")


def wallets_of(partition: int, prefix: str = "w") -> list[str]:
    """Wallet ids that live in a partition."""
    return [f"{prefix}{n}" for n in range(200) if partition_of(f"{prefix}{n}", PARTITIONS) == partition]


HERE, THERE = wallets_of(0), wallets_of(1)


def living() -> Ledger:
    """The ledger after its story, to go on with."""
    machine = UnluckyMachine()
    ledger = Ledger(PARTITIONS, machine)
    everybody = [*HERE[:4], *THERE[:4]]
    for wallet in everybody:
        ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="o", assets=["EUR", "JPY"])
    ledger.run()
    for wallet in everybody:
        ledger.send(operation="credit", wallet_id=wallet, amount_minor=10_000, asset="EUR", request_id="r-1")
    ledger.run(max_records=3)
    _requests(ledger)
    ledger.run(max_records=4)
    _quarantine(ledger, machine)
    _forwarded(ledger)
    ledger.run()
    return ledger


@cache
def _story() -> Ledger:
    return living()


def _requests(ledger: Ledger) -> None:
    a, b, c = HERE[:3]
    x, y = THERE[:2]
    ledger.send(operation="debit", wallet_id=a, amount_minor=100, asset="EUR", idempotency_key="d")
    ledger.send(operation="debit", wallet_id=a, amount_minor=100, asset="EUR", idempotency_key="d")
    ledger.send(operation="debit", wallet_id=a, amount_minor=101, asset="EUR", idempotency_key="d")
    ledger.send(operation="debit", wallet_id=a, amount_minor=99_999_999, asset="EUR", idempotency_key="poor")
    ledger.send(operation="debit", wallet_id=a, amount_minor=99_999_999, asset="EUR", idempotency_key="poor")
    ledger.send(operation="transfer", wallet_id=a, amount_minor=50, asset="EUR", to_wallet_id=b)
    ledger.send(operation="transfer", wallet_id=a, amount_minor=60, asset="EUR", to_wallet_id=x)
    ledger.send(operation="transfer", wallet_id=x, amount_minor=70, asset="EUR", to_wallet_id=c)
    ledger.send(operation="transfer", wallet_id=a, amount_minor=80, asset="EUR", to_wallet_id="nobody-1")
    ledger.send(operation="transfer", wallet_id=y, amount_minor=90, asset="EUR", to_wallet_id="nobody-2")
    ledger.send(operation="open_sub_wallet", wallet_id=a, sub_wallet="savings", kind="savings")
    ledger.send(operation="transfer", wallet_id=a, amount_minor=5, asset="EUR", to_wallet_id=a, to_sub_wallet="savings")
    ledger.send(operation="enable_asset", wallet_id=b, asset="USD")
    ledger.send(operation="credit", wallet_id=b, amount_minor=1, asset="USD")
    ledger.append(topics.TRANSACTION_REQUESTS, 0, a.encode(), b"not json")
    ledger.append(topics.TRANSACTION_REQUESTS, 1, None, b"{}")
    ledger.append(topics.TRANSACTION_REQUESTS, 1, x.encode(), None)
    ledger.append(topics.FRAUD_COMMANDS, 0, a.encode(), b"{}")


def _quarantine(ledger: Ledger, machine: UnluckyMachine) -> None:
    """A bug quarantines a wallet; legs to it wait until operators release it."""
    a, d = HERE[0], THERE[3]
    ledger.send(operation="credit", wallet_id=d, amount_minor=UNLUCKY_MINOR, asset="EUR")
    ledger.run()
    for amount_minor in (7, 8):
        ledger.send(operation="transfer", wallet_id=a, amount_minor=amount_minor, asset="EUR", to_wallet_id=d)
    ledger.send(operation="credit", wallet_id=d, amount_minor=1, asset="EUR")
    ledger.run()
    operators: dict[str, Any] = {"requested_by": "ines", "approved_by": "omar", "reason_code": "mended"}
    machine.is_unlucky = False
    ledger.send(topics.OPERATOR_COMMANDS, operation="release_quarantine", wallet_id=d, **operators)
    ledger.send(topics.OPERATOR_COMMANDS, operation="set_wallet_state", wallet_id=HERE[3], state="locked", **operators)
    ledger.run()


def _forwarded(ledger: Ledger) -> None:
    """Requests in the wrong partition, one of them twice."""
    for key in ("f-1", "f-2", "f-1"):
        ledger.send(
            partition=1, operation="credit", wallet_id=HERE[0], amount_minor=11, asset="EUR", idempotency_key=key
        )
    ledger.send(partition=1, operation="debit", wallet_id=HERE[1], amount_minor=10**12, asset="EUR")


def story() -> Ledger:
    """The topics after its story, which a test may tamper with; it cannot go on."""
    return copied(_story())


def copied(original: Ledger) -> Ledger:
    """The topics of a ledger once more."""
    ledger = Ledger(PARTITIONS)
    ledger.topics = {name: [list(part) for part in parts] for name, parts in original.topics.items()}
    ledger.ends = dict(original.ends)
    ledger.seals = list(original.seals)
    ledger.stores = original.stores
    return ledger


def audit(
    ledger: Ledger,
    *,
    retained_from: Mapping[str, Sequence[int]] | None = None,
    copies: Mapping[int, Sequence[StoreCopy]] | None = None,
    outcomes_begin: bool = False,
    chunk: int = 7,
    retained_ms: int = 40 * 86_400_000,
    grown: Collection[int] = (),
) -> Report:
    """Feed everything to the auditor, in small chunks and by turns."""
    auditor = LedgerAudit(ledger.partitions, retained_from=retained_from, copies=copies, retained_ms=retained_ms)
    parts = list(enumerate(auditor.partitions))
    for p, part in parts:
        events, outcomes = ledger.topics[topics.LEDGER_EVENTS][p], ledger.topics[topics.TRANSACTION_OUTCOMES][p]
        if events and events[0].offset:
            part.begin_at(events[0].offset)
        for name in topics.INPUTS:
            part.inputs.end_at(name, ledger.ends.get((name, p), 0))
        if outcomes_begin:
            part.answers.begin_at(outcomes[0].value if outcomes else None)
    names = (topics.LEDGER_EVENTS, topics.TRANSACTION_OUTCOMES, *topics.INPUTS)
    longest = max(len(ledger.topics[name][p]) for name in names for p, _ in parts)
    for at in range(0, longest, chunk):
        for p, part in parts:
            part.take_events(ledger.topics[topics.LEDGER_EVENTS][p][at : at + chunk])
            part.take_outcomes(ledger.topics[topics.TRANSACTION_OUTCOMES][p][at : at + chunk])
            for name in topics.INPUTS:
                held = ledger.topics[name][p]
                start = 0 if retained_from is None else retained_from[name][p]
                part.take_inputs(name, [r for r in held[at : at + chunk] if r.offset >= start])
    for p, part in parts:
        part.take_balances(ledger.topics[topics.WALLET_BALANCES][p])
    return auditor.finish(grown=grown)


def codes(report: Report) -> set[str]:
    """Codes of all findings."""
    return {check.value for check in report.counts}
