"""The first half: wallets, holds, a purchase and its refund, bank payouts and a chargeback."""

from __future__ import annotations

from typing import Final

from ops.demo.story.cast import ALICE, BEN, BOOKSHOP, HOTEL, HOUR_S, by_operators, eur
from ops.demo.story.steps import Ask, Await, Of, Step


def _opens(wallet_id: str, kind: str, assets: str, says: str) -> Ask:
    fields = {"owner_ref": f"owner of {wallet_id}", "kind": kind, "assets": assets.split()}
    return Ask(says, wallet_id, "open_wallet", fields, "ok")


_WALLETS: Final = Step(
    (
        _opens(ALICE, "customer", "EUR USD POINTS", "Alice opens a wallet for euros, dollars and points."),
        _opens(BEN, "customer", "EUR", "Ben opens one for euros."),
        _opens(HOTEL, "merchant", "EUR", "The hotel opens one, as a merchant."),
        _opens(BOOKSHOP, "merchant", "EUR POINTS", "The bookshop opens one; it takes points too."),
        Ask(
            "The hotel sets up a sub-wallet for its taxes.",
            *(HOTEL, "open_sub_wallet"),
            {"sub_wallet": "taxes", "kind": "savings"},
            "ok",
        ),
    ),
    (),
)

_HOLDS: Final = (
    Step(
        (
            Ask(
                "Alice tops up {amount} by card.",
                *(ALICE, "credit"),
                eur(20_000, instrument_ref="card-4711"),
                "settled",
                "top-up",
            ),
        ),
        (ALICE,),
    ),
    Step(
        (
            Ask(
                "She checks in, and the hotel has {amount} held for the room.",
                *(ALICE, "authorize"),
                eur(12_000, expires_in_s=24 * HOUR_S),
                "processed",
                "room",
            ),
        ),
        (ALICE,),
    ),
    Step(
        (
            Ask(
                "She checks out: of what is held, {amount} goes to the hotel, in another partition.",
                *(ALICE, "capture"),
                {"transaction_id": Of("room"), "amount_minor": 9_000, "to_wallet_id": HOTEL},
                "settled",
                "stay",
            ),
        ),
        (ALICE, HOTEL),
    ),
    Step(
        (
            Ask(
                "The hotel finds the minibar empty and asks for {amount} more, beyond what is held.",
                *(ALICE, "capture"),
                {"transaction_id": Of("room"), "amount_minor": 5_000, "to_wallet_id": HOTEL},
                "exceeds_remaining",
            ),
            Ask(
                "It lets go of what is still held.",
                *(ALICE, "release"),
                {"transaction_id": Of("room")},
                "settled",
            ),
        ),
        (ALICE,),
    ),
    Step(
        (
            Ask(
                "Alice reserves a bicycle: {amount} is held, for one second.",
                *(ALICE, "authorize"),
                eur(1_500, expires_in_s=1),
                "processed",
                "bicycle",
            ),
            Await("Nobody comes for the bicycle: the hold expires by itself.", "bicycle", "canceled"),
        ),
        (ALICE,),
    ),
)

_PURCHASE: Final = (
    Step(
        (
            Ask(
                "Alice buys books for {amount}; the fee is 1 % and 0.10.",
                *(ALICE, "transfer"),
                eur(4_000, to_wallet_id=BOOKSHOP),
                "settled",
                "books",
            ),
        ),
        (ALICE, BOOKSHOP),
    ),
    Step(
        (
            Ask(
                "One book was torn: the bookshop refunds {amount}, and a quarter of the fee comes with it.",
                *(BOOKSHOP, "refund"),
                {"transaction_id": Of("books"), "amount_minor": 1_000},
                "settled",
            ),
        ),
        (ALICE, BOOKSHOP),
    ),
)

_BANK: Final = (
    Step(
        (
            Ask(
                "Alice sends {amount} to her bank, over a rail that settles later.",
                *(ALICE, "debit"),
                eur(2_000, rail="sepa"),
                "processed",
                "payout",
            ),
            Ask(
                "It leaves in a settlement batch: from now on it cannot be canceled.",
                *(ALICE, "submit"),
                {"transaction_id": Of("payout"), "batch_id": "sepa-1"},
                "processed",
            ),
            Ask(
                "The rail has settled it, and keeps 0.05 for itself.",
                *(ALICE, "settle"),
                {"transaction_id": Of("payout"), "rail_reference": "sepa-ref-1", "rail_fee_minor": 5},
                "settled",
            ),
        ),
        (ALICE,),
    ),
    Step(
        (
            Ask(
                "She sends {amount} more.",
                *(ALICE, "debit"),
                eur(1_500, rail="sepa"),
                "processed",
                "second payout",
            ),
            Ask(
                "Her bank does not know the account: the rail refuses, and all of it comes back.",
                *(ALICE, "fail"),
                {"transaction_id": Of("second payout"), "code": "AC01"},
                "failed",
            ),
        ),
        (ALICE,),
    ),
)

_CHARGEBACK: Final = (
    Step(
        (
            Ask(
                "The card's holder contests the top-up, of which most is spent: it is set aside, below zero.",
                *(ALICE, "dispute"),
                {"transaction_id": Of("top-up"), "reason": "card not present"},
                "disputed",
                "chargeback",
            ),
        ),
        (ALICE,),
    ),
    Step(
        (
            Ask(
                "The case is lost: operators give the money back to the card.",
                *(ALICE, "resolve_dispute"),
                by_operators("chargeback lost", transaction_id=Of("chargeback"), won=False),
                "reversed",
            ),
            Ask(
                "Alice tops up {amount}, which first repays what she owes.",
                *(ALICE, "credit"),
                eur(25_000, instrument_ref="card-0815"),
                "settled",
            ),
        ),
        (ALICE,),
    ),
)

FIRST_HALF: Final[tuple[Step, ...]] = (_WALLETS, *_HOLDS, *_PURCHASE, *_BANK, *_CHARGEBACK)
