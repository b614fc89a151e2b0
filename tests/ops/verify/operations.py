"""A ledger in which everything happens to every transaction that can: holds, rails, refunds, disputes, reversals."""

from __future__ import annotations

from functools import cache
from typing import Any

from schemas.rails import INSTANT, Rail
from schemas.reference import Reference
from tests.ops.verify.honest import Ledger
from tests.ops.verify.story import HERE, PARTITIONS, THERE, UNLUCKY_MINOR, UnluckyMachine, copied, wallets_of
from tests.ops.verify.teller import Teller

EUR: dict[str, Any] = {"asset": "EUR"}
SEPA: dict[str, Any] = {"asset": "EUR", "rail": "sepa"}
ALICE, BERT, CAROL, DORA = HERE[:4]
BOB, EVE, FRED, GUS = THERE[:4]
#: Would live in the other partition.
NOBODY = wallets_of(1, "nobody")[0]
EVERYBODY = (ALICE, BERT, CAROL, DORA, BOB, EVE, FRED, GUS)


def rails() -> Reference:
    """A rail that settles later, beside the instant one."""
    return Reference(rails={INSTANT.name: INSTANT, "sepa": Rail(name="sepa", settlement="deferred")})


def telling() -> Teller:
    """The ledger after all of it, to go on with."""
    ledger = Ledger(PARTITIONS, UnluckyMachine(rails()))
    do = Teller(ledger)
    for wallet in EVERYBODY:
        do.send("open_wallet", wallet, owner_ref="o", assets=["EUR", "JPY", "USD"])
        do.send("credit", wallet, amount_minor=100_000, **EUR)
    ledger.run()
    _holds(do)
    _captures_to_payees(do)
    _over_rails(do)
    _taken_back(do)
    _disputes(do)
    _reversed_transfers(do)
    _too_much_to_reverse(do)
    _under_quarantine(do)
    _left_open(do)
    return do


@cache
def _told() -> Ledger:
    return telling().ledger


def operations() -> Ledger:
    """The topics after all of it, which a test may tamper with; it cannot go on."""
    return copied(_told())


def _authorize(do: Teller, wallet: str, amount_minor: int, expires_in_s: int = 3600) -> str:
    return do("authorize", wallet, amount_minor=amount_minor, expires_in_s=expires_in_s, **EUR)


def _holds(do: Teller) -> None:
    """Captured in parts, to the end, with a final capture; released, canceled, expired by a command and by a tick."""
    hold = _authorize(do, ALICE, 60)
    do("capture", ALICE, hold, amount_minor=25)
    do("capture", ALICE, hold, amount_minor=36)
    do("capture", ALICE, hold, amount_minor=10, final=True)
    do("capture", ALICE, hold, amount_minor=1)
    do("capture", ALICE, _authorize(do, ALICE, 7))
    do("release", ALICE, _authorize(do, ALICE, 8))
    hold = _authorize(do, ALICE, 9)
    do("capture", ALICE, hold, amount_minor=4)
    do("release", ALICE, hold)
    do("cancel", ALICE, _authorize(do, ALICE, 11))
    hold = _authorize(do, ALICE, 12, expires_in_s=1)
    _authorize(do, ALICE, 13, expires_in_s=2)
    do("capture", ALICE, hold, amount_minor=5)
    do.ledger.now_ms += 3_000
    do("capture", ALICE, hold, amount_minor=5)
    do("debit", ALICE, amount_minor=1, **EUR)
    _authorize(do, BERT, 14, expires_in_s=1)
    hold = _authorize(do, BERT, 15, expires_in_s=1)
    do("capture", BERT, hold, amount_minor=2)
    do.ledger.now_ms += 3_000
    do.tick(0)
    _authorize(do, BERT, 16, expires_in_s=1)
    do.ledger.now_ms += 3_000
    do("credit", BERT, amount_minor=3, partition=1, **EUR)


def _captures_to_payees(do: Teller) -> None:
    """To a payee here, elsewhere, and to nobody: held again, or available where the authorization is over."""
    hold = _authorize(do, ALICE, 100)
    do("capture", ALICE, hold, amount_minor=10, to_wallet_id=BERT)
    do("capture", ALICE, hold, amount_minor=11, to_wallet_id=BERT, to_sub_wallet="gone")
    do("capture", ALICE, hold, amount_minor=12, to_wallet_id=BOB)
    do("capture", ALICE, hold, amount_minor=13, to_wallet_id=NOBODY)
    do("capture", ALICE, hold, amount_minor=14, to_wallet_id=NOBODY, final=True)


def _through(do: Teller, wallet: str, opened: Any) -> None:
    """One transaction over a rail to each of its ends; `opened` opens another one each time."""
    settled, failed, canceled = opened(), opened(), opened()
    for batch_id in ("b1", "b1", "b2"):
        do("submit", wallet, settled, batch_id=batch_id)
    do("cancel", wallet, settled)
    do("settle", wallet, settled, rail_reference="r1", settled_minor=15, rail_fee_minor=2, value_date="2026-01-02")
    for reference in ("r1", "r2", "r2"):
        do("settle", wallet, settled, rail_reference=reference)
    for amount_minor, reference in ((4, "r1"), (4, "r1"), (30, "r3")):
        do("return", wallet, settled, amount_minor=amount_minor, rail_reference=reference, code="MD06")
    do("return", wallet, opened(), amount_minor=1, rail_reference="r1", code="MD06")
    for _ in range(2):
        do("fail", wallet, failed, code="AC04")
    for reference in ("r1", "r1"):
        do("settle", wallet, failed, rail_reference=reference, settled_minor=3)
    for reference in ("r1", "r1"):
        do("return", wallet, failed, amount_minor=7, rail_reference=reference, code="MD06")
    do("cancel", wallet, canceled)
    whole = opened()
    do("settle", wallet, whole, rail_reference="r9")
    for reference in ("r1", "r1"):
        do("return", wallet, whole, amount_minor=1, rail_reference=reference, code="X")


def _over_rails(do: Teller) -> None:
    """Credits, debits, captures and refunds, on both sides of the world."""
    for wallet in (CAROL, EVE):
        _through(do, wallet, lambda wallet=wallet: do("credit", wallet, amount_minor=20, **SEPA))
        _through(do, wallet, lambda wallet=wallet: do("debit", wallet, amount_minor=20, **SEPA))
        hold = _authorize(do, wallet, 500)
        _through(do, wallet, lambda wallet=wallet, hold=hold: do("capture", wallet, hold, amount_minor=20, rail="sepa"))
        late = do("capture", wallet, hold, amount_minor=20, rail="sepa", final=True)
        do("fail", wallet, late, code="AC01")
        paid = do("debit", wallet, amount_minor=1_000, **SEPA)
        do("settle", wallet, paid, rail_reference="r1")
        _through(do, wallet, lambda wallet=wallet, paid=paid: do("refund", wallet, paid, amount_minor=20))


def _taken_back(do: Teller) -> None:
    """Refunds over the instant rail, within the partition and between two; reversals over a rail, adjustments."""
    paid = do("debit", DORA, amount_minor=60, **EUR)
    do("refund", DORA, paid, amount_minor=20)
    do("refund", DORA, paid, amount_minor=41)
    refund = do("refund", DORA, paid)
    do("return", DORA, refund, amount_minor=5, rail_reference="r1", code="AC04")
    do("refund", DORA, paid, amount_minor=5)
    for receiver, payer in ((BERT, ALICE), (BOB, ALICE)):
        moved = do("transfer", payer, amount_minor=60, to_wallet_id=receiver, **EUR)
        do("refund", receiver, moved, amount_minor=25)
        do("set_wallet_state", payer, state="disabled")
        do("refund", receiver, moved, amount_minor=5)
        do("set_wallet_state", payer, state="active")
        do("refund", receiver, moved)
    for operation in ("credit", "debit"):
        do("reverse", DORA, do(operation, DORA, amount_minor=30, **EUR))
        do("reverse", DORA, do(operation, DORA, amount_minor=30, **EUR), rail_reference="r7")
    hold = _authorize(do, DORA, 40)
    do("reverse", DORA, do("capture", DORA, hold, amount_minor=4))
    available, suspense = f"{DORA}/main/available", "system/suspense"
    do("adjust", DORA, amount_minor=5, from_account=suspense, to_account=available, exception_id="e-1", **EUR)
    do("adjust", DORA, amount_minor=5, from_account=available, to_account="system/writeoffs", **EUR)


def _disputes(do: Teller) -> None:
    """Of credits, debits and captures, won and lost, two at a time, of money that is spent already."""
    for operation in ("credit", "debit", "capture"):
        for first, second in ((True, False), (False, True), (False, False), (True, True)):
            hold = _authorize(do, FRED, 50)
            fields = {} if operation == "capture" else EUR
            original = do(operation, FRED, hold if operation == "capture" else None, amount_minor=50, **fields)
            one = do("dispute", FRED, original, amount_minor=20, reason="fraud")
            two = do("dispute", FRED, original, reason="fraud")
            do("resolve_dispute", FRED, one, won=first)
            do("resolve_dispute", FRED, two, won=second)
            do("release", FRED, hold)
    do("open_wallet", HERE[5], owner_ref="o", assets=["EUR"])
    spent = do("credit", HERE[5], amount_minor=70, **EUR)
    do("debit", HERE[5], amount_minor=69, **EUR)
    do("resolve_dispute", HERE[5], do("dispute", HERE[5], spent, reason="fraud"), won=False)
    do("open_wallet", HERE[6], owner_ref="o", assets=["EUR"])
    returned = do("credit", HERE[6], amount_minor=70, **EUR)
    do("debit", HERE[6], amount_minor=69, **EUR)
    do("return", HERE[6], returned, amount_minor=70, rail_reference="r1", code="MD06")


def _reversed_transfers(do: Teller) -> None:
    """By operators, within the partition and between two, from wallets that have not got the money any more."""
    for payer, receiver in ((ALICE, HERE[7]), (BOB, HERE[7]), (ALICE, HERE[8])):
        do("open_wallet", receiver, owner_ref="o", assets=["EUR"])
        moved = do("transfer", payer, amount_minor=33, to_wallet_id=receiver, **EUR)
        do("debit", receiver, amount_minor=33, **EUR)
        do("reverse", receiver, moved)
    for payer, receiver in ((ALICE, BERT), (ALICE, BOB)):
        hold = _authorize(do, payer, 21)
        do("reverse", receiver, do("capture", payer, hold, amount_minor=21, to_wallet_id=receiver))


def _too_much_to_reverse(do: Teller) -> None:
    """The payer's balance has no room for what operators would give back."""
    for receiver, asset in ((EVE, "JPY"), (CAROL, "USD")):
        do("credit", GUS, amount_minor=10, asset=asset)
        moved = do("transfer", GUS, amount_minor=10, asset=asset, to_wallet_id=receiver)
        # The rail's own account has just room for it.
        filled = do("credit", GUS, amount_minor=2**63 - 10, asset=asset)
        do("reverse", receiver, moved)
        do("reverse", GUS, filled, rail_reference="r1")


def _under_quarantine(do: Teller) -> None:
    """What a rail says of a wallet under quarantine waits, also what has come to the wrong partition."""
    machine = do.ledger.machine
    assert isinstance(machine, UnluckyMachine)
    for wallet in (DORA, GUS):
        announced = [do("credit", wallet, amount_minor=minor, **SEPA) for minor in (31, 32, 33, 34)]
        hold = _authorize(do, wallet, 17, expires_in_s=1)
        machine.is_unlucky = True
        do("credit", wallet, amount_minor=UNLUCKY_MINOR, **EUR)
        machine.is_unlucky = False
        do("settle", wallet, announced[0], rail_reference="r1")
        do("submit", wallet, announced[1], batch_id="b1", partition=0)
        do("fail", wallet, announced[2], code="AC04", partition=1)
        do("settle", wallet, announced[0], rail_reference="r1", idempotency_key=f"again-{wallet}")
        do("settle", wallet, announced[0], rail_reference="r1", idempotency_key=f"again-{wallet}")
        do("transfer", ALICE, amount_minor=3, to_wallet_id=wallet, **EUR)
        do("settle", wallet, "0" * 32, rail_reference="r1")
        do("settle", wallet, announced[3], sub_wallet="other", rail_reference="r1")
        do.ledger.now_ms += 3_000
        do("release_quarantine", wallet)
        do("release", wallet, hold)


def _left_open(do: Teller) -> None:
    """What is under way at the end: a hold, both ways over a rail, a dispute of each kind."""
    for wallet in (ALICE, BOB):
        hold = _authorize(do, wallet, 90)
        do("capture", wallet, hold, amount_minor=9)
        do("capture", wallet, hold, amount_minor=8, rail="sepa")
        do("credit", wallet, amount_minor=41, **SEPA)
        paid = do("debit", wallet, amount_minor=42, **EUR)
        do("debit", wallet, amount_minor=43, **SEPA)
        do("dispute", wallet, paid, amount_minor=7, reason="fraud")
        do("refund", wallet, paid, amount_minor=5)
        do("dispute", wallet, do("credit", wallet, amount_minor=44, **EUR), reason="fraud")
