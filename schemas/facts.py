"""Facts: what a fraud rule sees of a transaction. A field that does not apply is not there.

Live facts have the fields of this catalogue; a backtest has those that its mapping names, and what is derived of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

#: What a field holds: text, or a number (minor units and counts are ints).
FieldKind = Literal["text", "number"]
FactValue = str | int | float
#: Field -> value.
Fact = Mapping[str, FactValue]

#: Learned of the wallet's own payments: 0 (as always) to 1,000 (nothing like it), an int.
ANOMALY_SCORE: Final = "anomaly_score"
MOST_ANOMALOUS: Final = 1_000
#: Field of a live fact -> what it holds, and what it says.
FACT_FIELDS: Final[Mapping[str, tuple[FieldKind, str]]] = {
    "type": ("text", "type of the ledger event, such as transaction.settled or request.rejected"),
    "operation": ("text", "operation that was asked for"),
    "status": ("text", "accepted or rejected"),
    "code": ("text", "code of the outcome, such as ok or insufficient_funds"),
    "transaction_id": ("text", "id of the transaction"),
    "parent_transaction_id": ("text", "id of the transaction that it acts on"),
    "wallet_id": ("text", "the payer's wallet, or the only one"),
    "sub_wallet": ("text", "its sub-wallet"),
    "to_wallet_id": ("text", "the payee's wallet; none in an event of the payee's own, such as transfer.received"),
    "to_sub_wallet": ("text", "its sub-wallet"),
    "party_id": ("text", "as a key: both wallets, each with its own `direction`"),
    "direction": ("text", "in or out, as seen from the wallet; none within it, for disputes, `reverse` and `adjust`"),
    "disputed_direction": ("text", "of a dispute that was accepted: in of what had come in, a chargeback; else out"),
    "amount_minor": ("number", "amount in minor units; none for one beyond 64 bits, which the ledger refuses"),
    "asset": ("text", "asset of the amount"),
    "rail": ("text", "rail that the money goes over"),
    "available_minor": ("number", "what the wallet's sub-wallet can spend of the asset afterwards, in minor units"),
    "tier": ("text", "name of the wallet's tier, where a limit of it was seen to"),
    "wallet_age_s": ("number", "seconds since the wallet was opened"),
    "hour": ("number", "hour of the event time in UTC, 0 to 23"),
    "weekday": ("number", "day of the week of the event time in UTC, Monday 0"),
    "device": ("text", "fingerprint of the device"),
    "ip": ("text", "its IP address"),
    "latitude": ("number", "where it was, in degrees"),
    "longitude": ("number", "where it was, in degrees"),
    "merchant": ("text", "reference to the merchant"),
    "order": ("text", "reference to the order"),
    "user": ("text", "reference to the user, compared with lists of names"),
    "reward_code": ("text", "code of a reward or a fee"),
    "late_ms": ("number", "milliseconds that it was recorded after its event time"),
    ANOMALY_SCORE: ("number", "how unlike the wallet's own payments it is, 0 to 1,000, learned; not there until warm"),
}

#: Fields that are computed of others, in a backtest too.
DERIVED: Final = ("direction", "hour", "party_id", "weekday")
