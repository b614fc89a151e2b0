"""The scripts of the stories: every operation, with what it must be answered and what it must move.

Each is told by the wire's contract alone. What is random is the wallets, the amounts and which way a story takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from schemas.clock import rfc3339
from tests.crash.script_parts import FEE_MINOR, INSTANT, LONG_S, eur, own
from tests.crash.scripts_payments import (
    captured_by_payees,
    exchanged_transfer,
    expired,
    expired_meanwhile,
    refused_capture,
    released_meanwhile,
)
from tests.crash.scripts_rails import deferred_capture, deferred_credit, deferred_debit, disputed, reversed_by_operators
from tests.crash.story import Script, Story


def adjusted_and_charged(story: Story) -> Script:
    """An adjustment, a fee, an exchange, a batch."""
    wallet, minor = story.wallet(), story.amount(100)
    accounts = {"from_account": "system/adjustments", "to_account": own(wallet)}
    items = [
        {"operation": "credit", **eur(minor)},
        {"operation": "debit", **eur(minor // 2)},
        {"operation": "fee", **eur(3), "code": "f"},
        {"operation": "convert", **eur(50), "to_asset": "USD"},
    ]
    elsewhere = [*items, {"operation": "transfer", **eur(1), "to_wallet_id": "nobody"}]
    yield (
        story.ask(wallet, "adjust", "settled", **accounts, **eur(minor)),
        story.ask(wallet, "fee", "settled", **eur(5), code="f"),
        story.ask(wallet, "convert", "settled", **eur(100), to_asset="USD"),
        story.ask(wallet, "batch", "settled", items=items),
        story.ask(wallet, "batch", "illegal_in_batch", items=elsewhere),
    )
    story.move("system/adjustments", own(wallet), "EUR", minor)
    story.move(own(wallet), "system/fees", "EUR", 8)
    story.move(own(wallet), "system/fx", "EUR", 150)
    story.move("system/fx", own(wallet), "USD", 165)
    story.move(INSTANT, own(wallet), "EUR", minor - minor // 2)


def rewarded(story: Story) -> Script:
    """A wallet of its own gets a reward that expires, and one that does not."""
    wallet, minor = story.fresh(), story.amount()
    yield (story.ask(wallet, "open_wallet", "ok", owner_ref="o", assets=["EUR"]),)
    yield (story.ask(wallet, "reward", "settled/settled", **eur(minor), code="r", expires_in_s=1),)
    yield (story.ask(wallet, "reward", "settled", **eur(minor), code="r"),)
    story.move("system/rewards", own(wallet), "EUR", minor)


def scheduled(story: Story) -> Script:
    """A transfer at its time, and a debit that is canceled before its time."""
    payer, payee = story.pair(far=story.chance.random() < 0.7)
    ends = ("settled",) if story.home(payer) == story.home(payee) else ("processed", "settled")
    minor, now_ms = story.amount(), int(time.time() * 1000)
    soon, late = rfc3339(now_ms + story.chance.randint(500, 3_000)), rfc3339(now_ms + 3_600_000)
    fields = {**eur(minor), "to_wallet_id": payee, "execute_at": soon}
    debit = story.ask(payer, "debit", "initiated", **eur(minor), execute_at=late)
    # Workers may be down until it is past.
    yield (story.ask(payer, "transfer", (ends, ("initiated", *ends)), **fields), debit)
    debit.then("canceled")
    yield (story.ask(payer, "cancel", "canceled", transaction_id=debit.transaction_id),)
    story.move(own(payer), own(payee), "EUR", minor)
    story.move(own(payer), "system/fees", "EUR", FEE_MINOR)


def limited(story: Story) -> Script:
    """A wallet of its own with limits and credit, which is closed in the end; then nobody can pay it."""
    wallet, payer = story.fresh(), story.wallet()
    yield (story.ask(wallet, "open_wallet", "ok", owner_ref="o", assets=["EUR"]),)
    limits = {"EUR": {"single_max_minor": 500, "credit_limit_minor": 100, "balance_cap_minor": 1_000}}
    yield (story.ask(wallet, "set_limits", "ok", limits=limits),)
    yield (story.ask(wallet, "credit", "settled", **eur(800)),)
    yield (
        story.ask(wallet, "credit", "limit_exceeded", **eur(201)),
        story.ask(wallet, "debit", "limit_exceeded", **eur(501)),
        story.ask(wallet, "debit", "settled", **eur(500)),
        story.ask(wallet, "debit", "settled", **eur(400)),
        story.ask(wallet, "debit", "insufficient_funds", **eur(1)),
        story.ask(wallet, "close_wallet", "illegal_transition"),
        story.ask(wallet, "credit", "settled", **eur(100)),
        story.ask(wallet, "close_wallet", "ok"),
        story.ask(wallet, "credit", "wallet_closed", **eur(1)),
    )
    is_near = story.home(wallet) == story.home(payer)
    ends = "failed payee_refused" if is_near else "processed/failed payee_refused"
    yield (story.ask(payer, "transfer", ends, **eur(story.amount()), to_wallet_id=wallet),)


def left_open(story: Story) -> Script:
    """A hold, a debit and a credit over a deferred rail, and a dispute that stay open."""
    wallet, minor = story.wallet(), story.amount()
    credit = story.ask(wallet, "credit", "settled", **eur(minor))
    yield (
        story.ask(wallet, "authorize", "processed", **eur(minor), expires_in_s=LONG_S),
        story.ask(wallet, "debit", "processed", **eur(minor), rail="sepa"),
        story.ask(wallet, "credit", "processed", **eur(minor), rail="sepa"),
        credit,
    )
    credit.then("disputed")
    named = {"transaction_id": credit.transaction_id}
    yield (story.ask(wallet, "dispute", "disputed", **named, reason="10.4"),)
    story.move(own(wallet), own(wallet, "held"), "EUR", minor)
    story.move(own(wallet), own(wallet, "outgoing"), "EUR", minor)
    story.move("system/rail-pending:sepa", own(wallet, "incoming"), "EUR", minor)
    story.move(INSTANT, own(wallet, "disputed"), "EUR", minor)


SCRIPTS: Final[list[Callable[[Story], Script]]] = [
    *[exchanged_transfer, captured_by_payees] * 2,
    *[refused_capture, released_meanwhile, expired, expired_meanwhile],
    *[deferred_debit, deferred_credit, deferred_capture, disputed, reversed_by_operators],
    *[adjusted_and_charged, rewarded, scheduled, limited, left_open],
]
