"""The second half: points, exchange, limits, what waits for its time, a batch and a reversal."""

from __future__ import annotations

from typing import Any, Final

from ops.demo.story.cast import ALICE, BEN, BOOKSHOP, HOTEL, HOUR_S, by_operators, eur
from ops.demo.story.steps import Ask, Await, In, Of, Step

_POINTS: Final = Step(
    (
        Ask(
            "For her loyalty she gets {amount} that last.",
            *(ALICE, "reward"),
            {"amount_minor": 300, "asset": "POINTS", "code": "loyalty"},
            "settled",
        ),
        Ask(
            "And {amount} that last three seconds.",
            *(ALICE, "reward"),
            {"amount_minor": 100, "asset": "POINTS", "code": "hurry", "expires_in_s": 3},
            "settled",
            "hurried points",
        ),
        Ask(
            "She spends {amount}: those that expire soonest go first.",
            *(ALICE, "transfer"),
            {"amount_minor": 60, "asset": "POINTS", "to_wallet_id": BOOKSHOP},
            "settled",
        ),
        Await("What is left of those that do not last is taken back.", "hurried points", "settled"),
    ),
    (ALICE, BOOKSHOP),
)

_EXCHANGE: Final = (
    Step(
        (
            Ask(
                "Alice exchanges {amount} for dollars, at the published rate.",
                *(ALICE, "convert"),
                eur(5_000, to_asset="USD"),
                "settled",
            ),
        ),
        (ALICE,),
    ),
    Step(
        (
            Ask(
                "She sends Ben {amount}, who gets euros for it, rounded down.",
                *(ALICE, "transfer"),
                {"amount_minor": 2_000, "asset": "USD", "to_wallet_id": BEN, "to_asset": "EUR"},
                "settled",
            ),
        ),
        (ALICE, BEN),
    ),
)

_LIMITS: Final = Step(
    (
        Ask(
            "Operators agree with Ben that 10.00 EUR a day may leave his wallet.",
            *(BEN, "set_limits"),
            by_operators("agreed", limits={"EUR": {"day": {"sum_minor": 1_000}}}),
            "ok",
        ),
        Ask("Ben takes out {amount}.", *(BEN, "debit"), eur(800), "settled"),
        Ask("He asks for {amount} more.", *(BEN, "debit"), eur(500), "limit_exceeded"),
    ),
    (BEN,),
)

_SCHEDULED: Final = Step(
    (
        Ask(
            "The hotel schedules {amount} to Ben, its gardener, in three seconds.",
            *(HOTEL, "transfer"),
            eur(1_250, to_wallet_id=BEN, execute_at=In(3)),
            "initiated",
            "wages",
        ),
        Ask(
            "It schedules {amount} more, in an hour.",
            *(HOTEL, "transfer"),
            eur(2_000, to_wallet_id=BEN, execute_at=In(HOUR_S)),
            "initiated",
            "bonus",
        ),
        Ask("It thinks better of that.", *(HOTEL, "cancel"), {"transaction_id": Of("bonus")}, "canceled"),
        Await("The time of the first has come.", "wages", "settled"),
    ),
    (HOTEL, BEN),
)


def _to_taxes_and_out(out_minor: int) -> dict[str, Any]:
    return {
        "items": [
            {"operation": "transfer", **eur(1_710, to_wallet_id=HOTEL, to_sub_wallet="taxes")},
            {"operation": "debit", **eur(out_minor)},
        ]
    }


_BATCH: Final = Step(
    (
        Ask(
            "The hotel puts 17.10 EUR by for taxes and takes out 100.00, both or neither. It has not that much.",
            *(HOTEL, "batch"),
            _to_taxes_and_out(10_000),
            "insufficient_funds",
        ),
        Ask("It takes out 40.00 instead.", *(HOTEL, "batch"), _to_taxes_and_out(4_000), "settled"),
    ),
    (HOTEL,),
)

_REVERSAL: Final = Step(
    (
        Ask(
            "The books never arrived. Olga asks to take back what is left of the purchase, and approves it herself.",
            *(BOOKSHOP, "reverse"),
            by_operators("never delivered", transaction_id=Of("books"), approved_by="olga"),
            "four_eyes",
        ),
        Ask(
            "Piet approves it: the rest of the money goes back, and the rest of the fee.",
            *(BOOKSHOP, "reverse"),
            by_operators("never delivered", transaction_id=Of("books")),
            "settled",
        ),
    ),
    (ALICE, BOOKSHOP),
)

SECOND_HALF: Final[tuple[Step, ...]] = (_POINTS, *_EXCHANGE, _LIMITS, _SCHEDULED, _BATCH, _REVERSAL)
