"""A ledger with what is agreed, what waits for its time, what is done together, and rewards that expire."""

from __future__ import annotations

from functools import cache
from typing import Any

from schemas import topics
from schemas.clock import rfc3339
from tests.ops.verify.honest import Ledger
from tests.ops.verify.operations import rails
from tests.ops.verify.story import HERE, PARTITIONS, THERE, UnluckyMachine, copied
from tests.ops.verify.tamper import EVENTS, locate, read
from tests.ops.verify.teller import Teller

EUR: dict[str, Any] = {"asset": "EUR"}
SEPA: dict[str, Any] = {"asset": "EUR", "rail": "sepa"}
#: Rewarded, batching, scheduling, in credit; and one in the other partition.
RITA, BELA, SUSE, KARL = HERE[:4]
OTTO = THERE[0]
DAY_MS = 86_400_000
_TIER = b'{"name":"basic","version":3,"limits":{"EUR":{"single_max_minor":100000}}}'


def telling() -> Teller:
    """The ledger after all of it, to go on with."""
    machine = UnluckyMachine(rails())
    machine.refer(topics.TIERS, "basic", _TIER)
    do = Teller(Ledger(PARTITIONS, machine))
    for wallet in (RITA, BELA, SUSE, KARL, OTTO):
        do.send("open_wallet", wallet, owner_ref="o", assets=["EUR"])
    do.ledger.run()
    _rewards(do)
    _batches(do)
    _schedules(do)
    _agreed(do)
    _left_open(do)
    return do


@cache
def _told() -> Ledger:
    return telling().ledger


def agreements() -> Ledger:
    """The topics after all of it, which a test may tamper with; it cannot go on."""
    return copied(_told())


def _reward(do: Teller, amount_minor: int, expires_in_s: int | None = None, wallet: str = RITA) -> str:
    fields: dict[str, Any] = {} if expires_in_s is None else {"expires_in_s": expires_in_s}
    return do("reward", wallet, amount_minor=amount_minor, code="welcome", **fields, **EUR)


def _rewards(do: Teller) -> None:
    """Spent soonest first, expired by a tick and by a command, given back last, held, reversed, taken by force."""
    _reward(do, 7)
    _reward(do, 100, 10)
    _reward(do, 50, 5)
    spent = do("debit", RITA, amount_minor=60, **EUR)
    do.ledger.now_ms += 5_000
    do.tick(0)
    do.ledger.now_ms += 5_000
    do("refund", RITA, spent, amount_minor=55)
    do.ledger.now_ms += 8 * DAY_MS
    do("credit", RITA, amount_minor=200, **EUR)
    _reward(do, 80, 100)
    hold = do("authorize", RITA, amount_minor=90, expires_in_s=200, **EUR)
    do("capture", RITA, hold, amount_minor=30)
    do("release", RITA, hold)
    failed = do("debit", RITA, amount_minor=40, **SEPA)
    do("fail", RITA, failed, code="AC04")
    do.ledger.now_ms += 8 * DAY_MS
    do.tick(0)
    reversed_ = _reward(do, 20, 10)
    spent = do("debit", RITA, amount_minor=5, **EUR)
    do("reverse", RITA, reversed_)
    do("refund", RITA, spent)
    forced = do("credit", RITA, amount_minor=30, **EUR)
    _reward(do, 25, 10)
    do("return", RITA, forced, amount_minor=30, rail_reference="r1", code="MD06")
    do("transfer", RITA, amount_minor=15, to_wallet_id=BELA, **EUR)
    do.ledger.now_ms += 11_000
    do("credit", RITA, amount_minor=1, **EUR)


def _batches(do: Teller) -> None:
    """All or nothing; an item that is refunded on its own; one that came by the other partition; one in between."""
    do("open_sub_wallet", BELA, sub_wallet="savings", kind="savings")
    items: list[dict[str, Any]] = [
        {"operation": "credit", "amount_minor": 100, **EUR},
        {"operation": "transfer", "amount_minor": 30, "to_wallet_id": BELA, "to_sub_wallet": "savings", **EUR},
        {"operation": "debit", "amount_minor": 20, **EUR},
        {"operation": "debit", "amount_minor": 21, **EUR},
    ]
    for _ in range(2):
        do("batch", BELA, items=items, idempotency_key="twice")
    do("batch", BELA, items=[*items, {"operation": "debit", "amount_minor": 10**9, **EUR}])
    do("batch", BELA, items=items[:1], partition=1)
    do("refund", BELA, _item(do, "debit"), amount_minor=5)
    do("dispute", BELA, _item(do, "credit"), amount_minor=3, reason="fraud")


def _item(do: Teller, operation: str) -> str:
    """The transaction of a batch's first item of an operation."""
    ledger = do.ledger
    at = locate(ledger, EVENTS, operation=operation, wallet_id=BELA, parent_transaction_id=lambda id_: id_ is not None)
    return str(read(ledger, EVENTS, at)["transaction_id"])


def _schedule(do: Teller, operation: str, in_s: int, amount_minor: int, **fields: Any) -> str:
    at = rfc3339(do.ledger.now_ms + 1_000 * in_s)
    return do(operation, SUSE, amount_minor=amount_minor, execute_at=at, **{**EUR, **fields})


def _schedules(do: Teller) -> None:
    """Executed by a tick and by a command, in the order of their times, to each end; canceled; asked for too late."""
    _schedule(do, "credit", -1, 500)
    _schedule(do, "credit", 3, 10)
    _schedule(do, "debit", 2, 11)
    _schedule(do, "transfer", 2, 12, to_wallet_id=BELA)
    _schedule(do, "transfer", 3, 13, to_wallet_id=OTTO)
    do.ledger.now_ms += 4_000
    do.tick(0)
    for operation in ("credit", "debit"):
        _schedule(do, operation, 1, 14, rail="sepa")
        late = _schedule(do, operation, 1, 2**63 - 1, rail="sepa")
        canceled = _schedule(do, operation, 9, 16)
        do("cancel", SUSE, canceled)
        do.ledger.now_ms += 2_000
        do("settle", SUSE, late, rail_reference="r1", settled_minor=15)
        do("settle", SUSE, canceled, rail_reference="r1")
    do("cancel", SUSE, _schedule(do, "transfer", 9, 17, to_wallet_id=BELA))
    _schedule(do, "transfer", 1, 10**9, to_wallet_id=BELA)
    _schedule(do, "transfer", 1, 18, to_wallet_id=BELA, to_sub_wallet="gone")
    _schedule(do, "transfer", 1, 19, to_wallet_id=THERE[9])
    do.ledger.now_ms += 2_000
    do("credit", SUSE, amount_minor=1, partition=1, **EUR)


def _agreed(do: Teller) -> None:
    """Credit, against which holds count; captures and refunds beyond what others may; a tier."""
    do("set_limits", KARL, limits={"EUR": {"credit_limit_minor": 50, "day": {"count": 90}}}, over_capture_bps=1_500)
    do("credit", KARL, amount_minor=10, **EUR)
    hold = do("authorize", KARL, amount_minor=40, expires_in_s=900, **EUR)
    do("debit", KARL, amount_minor=21, **EUR)
    do("debit", KARL, amount_minor=20, **EUR)
    do("credit", KARL, amount_minor=100, **EUR)
    do("capture", KARL, hold, amount_minor=47)
    do("capture", KARL, hold, amount_minor=46)
    ways: list[dict[str, Any]] = [{"to_wallet_id": THERE[9]}, {"rail": "sepa"}]
    for to in ways:
        hold = do("authorize", KARL, amount_minor=20, expires_in_s=900, **EUR)
        over = do("capture", KARL, hold, amount_minor=23, **to)
        if "rail" in to:
            do("fail", KARL, over, code="AC04")
    do("set_tier", KARL, tier="basic")
    do("set_limits", OTTO, limits={}, refunds_below_zero=True)
    for payer in (SUSE, KARL):
        paid = do("transfer", payer, amount_minor=6, to_wallet_id=OTTO, **EUR)
        do("debit", OTTO, amount_minor=19, **EUR)
        do("refund", OTTO, paid)
    for operation in ("require_step_up", "lock"):
        do(operation, OTTO, rule_ids=["velocity-out"])
    do("set_limits", KARL, limits={})
    do("close_wallet", KARL)
    do("open_wallet", HERE[7], owner_ref="o", assets=["EUR"])
    do("close_wallet", HERE[7])


def _left_open(do: Teller) -> None:
    """What waits at the end: a schedule, a reward, and a hold that has spent one."""
    _schedule(do, "debit", 900, 3)
    _reward(do, 33, 900, SUSE)
    do("authorize", SUSE, amount_minor=20, expires_in_s=900, **EUR)
