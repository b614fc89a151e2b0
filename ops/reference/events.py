"""`docs/reference/events.md`: the events of `ledger-events` and their fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from ops.reference.markdown import listed, page, table
from ops.reference.structs import field_table
from schemas import events as ev
from schemas.events import (
    EVENT_TYPES,
    AccountBalance,
    AssetTerms,
    Cause,
    Counterparty,
    Entry,
    Exchange,
    Fee,
    LedgerEvent,
    LimitFacts,
    ParkedRecord,
    RailFacts,
    Source,
    WalletFacts,
    Window,
)
from streams.seal import Seal, Span

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "schemas" / "examples" / "ledger-events.v1"

_INTRODUCTION = """
`ledger-events` is the truth; outcomes, balances and every worker's local state are projections of it. Each input
record leaves at least one event in the partition where it arrived. `sequence` has no gap within a partition. Fields
that say nothing are left out; readers ignore fields that they do not know, so that an older reader survives a newer
writer.
"""

MEANING: Final[dict[str, str]] = {
    ev.WALLET_OPENED: "A wallet exists from here on, with its sub-wallet `main` and the assets named.",
    ev.SUB_WALLET_OPENED: "The wallet has one more sub-wallet.",
    ev.ASSET_ENABLED: "The wallet may hold one more asset; `wallet.assets` names all of them.",
    ev.WALLET_STATE_CHANGED: "Operators activated, locked, disabled or closed the wallet, its owner closed it, or the "
    "fraud role locked it: `operation` says which.",
    ev.WALLET_LIMITS_SET: "Operators agreed limits and policies with the wallet, in place of those before.",
    ev.WALLET_TIER_SET: "Operators put the wallet into a tier; its limits count where the wallet has none of its own.",
    ev.WALLET_STEP_UP_REQUIRED: "The fraud role asks that the owner prove who they are before money leaves the wallet. "
    "`request` says why; the ledger refuses nothing for it.",
    ev.WALLET_QUARANTINED: "The ledger failed on a record of this wallet; nothing was posted, and the wallet takes "
    "nothing new until it is released.",
    ev.WALLET_RELEASING: "Operators end the quarantine, but more is parked than one transaction executes: the first "
    "records are executed after this event, and `wallet.parked` wait for the next portion. Until the last one the "
    "wallet stays under quarantine.",
    ev.WALLET_RELEASED: "Operators ended the quarantine; what is still parked is executed after this event.",
    ev.TRANSACTION_INITIATED: "A transaction is accepted and waits. For its time, `due_at`: nothing is posted "
    "yet. With `screening` for the verdict of the fraud role, until `due_at`: what it takes is held meanwhile.",
    ev.TRANSACTION_PROCESSED: "A transaction is accepted and its money set aside: held for captures, with a rail that "
    "settles later, or on its way to a wallet in another partition in `system/transit`.",
    ev.TRANSACTION_SETTLED: "A transaction is done: at once, or (`from_state`) when its rail settled, the other "
    "partition accepted, an authorization ended after captures, or a dispute ended that left it as it was.",
    ev.TRANSACTION_FAILED: "A transaction could not be done. With `from_state`, its entries are the exact inverse of "
    "what it had posted.",
    ev.TRANSACTION_CANCELED: "A transaction was undone before anything of it was settled.",
    ev.TRANSACTION_DISPUTED: "A dispute is open, and of its transaction: the money is set aside.",
    ev.TRANSACTION_REVERSED: "A transaction was taken back in full after it was settled, or a dispute went against it.",
    ev.TRANSACTION_SUBMITTED: "A transaction goes to its rail in the batch `rail_facts.batch_id`.",
    ev.TRANSACTION_RETURNED: "A rail has taken a settled transaction back, wholly or in part.",
    ev.REWARD_EXPIRED: "What was left of a reward at `due_at` was taken back.",
    ev.TRANSACTION_CONFIRMED: "A rail said again what it had said before: nothing was posted.",
    ev.TRANSACTION_CONTRADICTED: "A rail has settled or returned what the ledger has otherwise: the difference is kept "
    "between the rail and `system/suspense` until somebody puts it right.",
    ev.TRANSACTION_SCREENED: "A payment that waited has its verdict, which `request` says: what was held for it is "
    "available again, and the next event executes it or says that it failed.",
    ev.TRANSACTION_OVERDUE: "A payment has no verdict by the deadline of its rail, which leaves it to a person then: "
    "it waits on, its money held.",
    ev.TRANSFER_RECEIVED: "The receiving side of what is sent between partitions - a transfer, or a capture, refund or "
    "reversal, as `operation` says: `system/transit` -> the wallet.",
    ev.TRANSFER_REFUSED: "The receiving side refused the money; the sender's partition gives it back.",
    ev.REQUEST_REJECTED: "A command was rejected with `code`; nothing was posted.",
    ev.REQUEST_REPLAYED: "A command or leg had been decided before: nothing was posted, its first answer was repeated.",
    ev.REQUEST_FORWARDED: "A request arrived in another partition than its wallet's and was handed to `forwarded_to`.",
    ev.REQUEST_DEAD_LETTERED: "A record is no command, or too large to handle; it is kept in `dead-letters`.",
    ev.REQUEST_PARKED: "A leg of a transfer, or what a rail said, waits for its wallet's release from quarantine.",
    ev.CLOCK_TICKED: "Time has passed without requests: what is due by it is done.",
    ev.BATCH_SEALED: "The last record of every transaction: what it covers, chained by hash to the seal before.",
}

EVENT_FIELDS: Final[dict[str, str]] = {
    "sequence": "Number within the partition, without a gap, starting at 0.",
    "type": "What happened.",
    "wallet_id": "The wallet it happened to.",
    "transaction_id": "The transaction, 32 hexadecimal digits.",
    "parent_transaction_id": "The transaction that this one belongs to.",
    "leg": "`credit` on the payee's side of a transfer between partitions.",
    "operation": "The command's operation.",
    "command": "What moved the transaction on, if not its own operation: a command that names it, or `expire`.",
    "from_state": "State before, where the transaction existed before.",
    "to_state": "State after.",
    "path": "Every state passed, the last one reached; see [life cycles](lifecycle.md).",
    "entries": "The journal. Debits equal credits for each asset.",
    "balances": "Balances after the journal, of every account in it.",
    "amount_minor": "Amount of the command, in minor units.",
    "asset": "Asset of the amount.",
    "rail": "Rail that the money came or went over.",
    "sub_wallet": "Sub-wallet of the wallet.",
    "counterparty": "The other wallet of a transfer.",
    "code": "[Outcome code](codes.md).",
    "field": "Field of the command that the code is about.",
    "message": "For people; not to be parsed.",
    "forced": "Posted although a balance or limit forbids it.",
    "wallet": "What the event says of the wallet.",
    "parked": "The record that waits.",
    "forwarded_to": "Partition that the record was handed to.",
    "due_at": "When the transaction is due next: an authorization expires then, a scheduled transaction is executed.",
    "remaining_minor": "What is left of the transaction after the event, in minor units: of an authorization what is "
    "still held.",
    "exchange": "What was exchanged, and at which rate.",
    "fee": "The fee within the operation.",
    "fee_returned_minor": "What a refund gives back of its original's fee, in minor units.",
    "rail_facts": "What a deferred rail said of the transaction.",
    "screening": "Of a payment that waits for a verdict: what becomes of it where none comes, `fail` or `review`.",
    "limit": "The limit that would be exceeded.",
    "tier": "Name and version of the tier whose limits were seen to.",
    "occurred_at": "When it happened at the requester's, as the requester said, in milliseconds.",
    "device": "The requester's device, as the requester said.",
    "references": "The requester's own names: order, merchant, user.",
    "metadata": "The requester's own strings.",
    "request": "The command as validated, in canonical form: its SHA-256 is `cause.fingerprint`.",
    "cause": "The input record that this event answers.",
    "recorded_at": "Partition time, RFC 3339 in UTC with milliseconds; never goes back.",
}

NESTED_FIELDS: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Entry: {
        "account": "`wallet/sub-wallet/bucket` or `system/name`.",
        "asset": "Asset code.",
        "debit_minor": "Taken from the account, in minor units.",
        "credit_minor": "Given to the account, in minor units.",
    },
    AccountBalance: {
        "account": "`wallet/sub-wallet/bucket` or `system/name`.",
        "asset": "Asset code.",
        "balance_minor": "Credits - debits, in minor units.",
    },
    Cause: {
        "topic": "Short name of the input topic.",
        "partition": "Its partition.",
        "offset": "The record's offset.",
        "request_id": "As the requester gave it.",
        "idempotency_key": "As the requester gave it.",
        "fingerprint": "SHA-256 of `request`, where the event is the first answer under its key; not on what repeats "
        "or contradicts one.",
        "origin": "Where the record first arrived, if it was forwarded or parked on its way.",
    },
    Source: {
        "topic": "Short name of the topic.",
        "partition": "Its partition.",
        "offset": "The record's offset.",
    },
    Counterparty: {"wallet_id": "The other wallet.", "sub_wallet": "Its sub-wallet."},
    WalletFacts: {
        "owner_ref": "The requester's reference to the owner.",
        "kind": "`customer`, `merchant` or `partner`.",
        "assets": "Every asset that the wallet may hold.",
        "state": "`active`, `locked`, `disabled` or `closed`.",
        "sub_wallet": "The sub-wallet opened.",
        "sub_wallet_kind": "`main`, `merchant`, `loyalty`, `escrow` or `savings`.",
        "payee_wallet_id": "The only wallet that an escrow may pay.",
        "parked": "Parked records that wait for a later portion of the release.",
        "tier": "The tier that it is in.",
        "limits": "What is agreed, by asset.",
        "over_capture_bps": "How much more than was authorized may be captured, in basis points of it.",
        "refunds_below_zero": "Whether its refunds may take what is available below zero.",
    },
    AssetTerms: {
        "single_max_minor": "Most of one transaction.",
        "hour": "Most that may leave it in a calendar hour, in UTC.",
        "day": "Most that may leave it in a calendar day, in UTC.",
        "month": "Most that may leave it in a calendar month, in UTC.",
        "balance_cap_minor": "Most that the wallet may hold, in all its accounts.",
        "credit_limit_minor": "How far below zero all sub-wallets together may go.",
    },
    Window: {"count": "Most transactions.", "sum_minor": "Most minor units in all."},
    LimitFacts: {
        "name": "Such as `day.sum_minor`.",
        "limit": "What it allows.",
        "used": "How much of it is used.",
        "frees_up_at": "When the window ends and a new one begins.",
        "tier": "Name and version of the tier that it comes from; the wallet's own limit has none.",
    },
    Exchange: {
        "rate_id": "The rate that was used.",
        "source": "Whose rate it is.",
        "from_asset": "Asset given.",
        "from_minor": "Amount given, in minor units.",
        "to_asset": "Asset received.",
        "to_minor": "Amount received, in minor units: the floor of `from_minor` times the fraction.",
        "numerator": "Of the fraction: minor units of `to_asset` for `denominator` minor units of `from_asset`.",
        "denominator": "Of the fraction, in lowest terms; either of them may be beyond 64 bits.",
    },
    Fee: {
        "schedule": "The fee schedule.",
        "version": "Its version.",
        "asset": "Asset of the fee.",
        "amount_minor": "The fee, in minor units.",
        "refundable": "Whether refunds give it back, pro rata.",
    },
    RailFacts: {
        "batch_id": "The settlement batch that it was submitted in.",
        "rail_reference": "The rail's own reference.",
        "settled_minor": "What the rail settled, in minor units.",
        "rail_fee_minor": "What the rail kept of it, in minor units.",
        "value_date": "Date of value, as the rail says.",
        "returned_minor": "What the rail has taken back, in minor units, as far as it was left of the transaction.",
        "code": "The rail's reason for a failure or a return.",
    },
    ParkedRecord: {
        "source": "Where the record arrived.",
        "value": "Its JSON text.",
        "headers": "Of what a rail has said: its headers, each a name and a value in Base64.",
        "timestamp_ms": "Of what a rail has said: its Kafka timestamp, Unix milliseconds.",
    },
}

SEAL_FIELDS: Final[dict[str, str]] = {
    "sequence": "The seal's own number.",
    "type": "`batch.sealed`.",
    "first_sequence": "Number of the first event that it covers; the seal covers all from there to itself.",
    "inputs": "For each input the positions before and after the batch.",
    "partition": "The partition.",
    "partitions": "How many partitions there are; another count is refused at the start.",
    "partition_time": "Partition time after the batch.",
    "recorded_at": "The same.",
    "previous_hash": "Hash of the seal before; 64 zeros in the first.",
    "hash": "SHA-256 over the previous hash, the events and this seal without its hash: see "
    "[the hash chain](../concepts/ledger.md#seals-and-the-hash-chain).",
}
SPAN_FIELDS: Final[dict[str, str]] = {
    "from": "Position before the batch: the `to` of the seal before.",
    "to": "Position after the batch: where taking goes on.",
}


def events_page() -> str:
    """The page."""
    fields = fields_in_examples()
    overview = table(("type", "says"), [(f"[`{t}`](#{_anchor(t)})", MEANING[t]) for t in EVENT_TYPES])
    types = [
        f"### {type_}\n\n{MEANING[type_]}\n\nFields in its examples: {listed(fields[type_])}." for type_ in EVENT_TYPES
    ]
    nested = [f"### {struct.__name__}\n\n{field_table(struct, named)}" for struct, named in NESTED_FIELDS.items()]
    return page(
        "Ledger events",
        "`schemas/events.py`, `streams/seal.py` and the golden examples",
        _INTRODUCTION,
        overview,
        "## Fields of events",
        field_table(LedgerEvent, EVENT_FIELDS),
        *nested,
        "## Fields of seals",
        field_table(Seal, SEAL_FIELDS),
        "### Span\n\n" + field_table(Span, SPAN_FIELDS),
        "## Types",
        *types,
    )


def fields_in_examples(folder: Path = EXAMPLES) -> dict[str, list[str]]:
    """For each event type the fields that its golden examples have, in the order of the wire."""
    found: dict[str, dict[str, None]] = {}
    for path in sorted(folder.glob("*.json")):
        example: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        found.setdefault(example["type"], {}).update(dict.fromkeys(example))
    order = [*EVENT_FIELDS, *(name for name in SEAL_FIELDS if name not in EVENT_FIELDS)]
    return {type_: sorted(names, key=order.index) for type_, names in found.items()}


def _anchor(type_: str) -> str:
    return type_.replace(".", "")
