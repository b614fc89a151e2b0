"""The ways in which a log can be dishonest, by what the auditor must find."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

from schemas import topics
from schemas.events import decode_event
from streams.seal import is_seal
from tests.ops.verify.honest import Ledger
from tests.ops.verify.story import HERE, THERE
from tests.ops.verify.tamper import EVENTS, OUTCOMES, Tamper, double, edit, locate, remove, reseal

REQUESTS = topics.TRANSACTION_REQUESTS
INTERNAL = topics.INTERNAL_COMMANDS
BALANCES = topics.WALLET_BALANCES


CREDIT = {"type": "transaction.settled", "operation": "credit"}
DEBIT = {"type": "transaction.settled", "operation": "debit"}
POOR = {"type": "request.rejected", "code": "insufficient_funds"}
SENT = {"type": "transaction.processed"}
RECEIVED = {"type": "transfer.received"}
ENDED = {"type": "transaction.settled", "from_state": "processed"}
GIVEN_BACK = {"type": "transaction.failed", "from_state": "processed"}


def edit_event(wanted: dict[str, Any], **changes: Any) -> Tamper:
    def tamper(ledger: Ledger) -> None:
        edit(ledger, EVENTS, locate(ledger, EVENTS, **wanted), **changes)
        reseal(ledger)

    return tamper


def edit_of(topic: str, wanted: dict[str, Any], **changes: Any) -> Tamper:
    return lambda ledger: edit(ledger, topic, locate(ledger, topic, **wanted), **changes)


def without(topic: str, **wanted: Any) -> Tamper:
    def tamper(ledger: Ledger) -> None:
        remove(ledger, topic, locate(ledger, topic, **wanted))
        if topic == EVENTS:
            reseal(ledger)

    return tamper


def doubled(topic: str, **wanted: Any) -> Tamper:
    def tamper(ledger: Ledger) -> None:
        double(ledger, topic, locate(ledger, topic, **wanted))
        if topic == EVENTS:
            reseal(ledger)

    return tamper


def spoil(topic: str, value: bytes, **wanted: Any) -> Tamper:
    def tamper(ledger: Ledger) -> None:
        partition, index = locate(ledger, topic, **wanted)
        records = ledger.topics[topic][partition]
        records[index] = records[index]._replace(value=value)

    return tamper


def swapped(topic: str, **wanted: Any) -> Tamper:
    """A record and the next one, each in the other's place."""

    def tamper(ledger: Ledger) -> None:
        partition, index = locate(ledger, topic, **wanted)
        records = ledger.topics[topic][partition]
        one, other = records[index : index + 2]
        records[index : index + 2] = [other._replace(offset=one.offset), one._replace(offset=other.offset)]
        if topic == EVENTS:
            reseal(ledger)

    return tamper


def amount_twice(topic: str, **wanted: Any) -> Tamper:
    """Some read the first of two fields of a name, others the last."""

    def tamper(ledger: Ledger) -> None:
        partition, index = locate(ledger, topic, **wanted)
        records = ledger.topics[topic][partition]
        value = (records[index].value or b"").replace(b'"amount_minor":', b'"amount_minor":7,"amount_minor":', 1)
        records[index] = records[index]._replace(value=value)

    return tamper


def not_resealed(tamper_topic: Any) -> Tamper:
    """Without making the seals right again."""

    def tamper(ledger: Ledger) -> None:
        tamper_topic(ledger, EVENTS, locate(ledger, EVENTS, type="transaction.settled", operation="debit"))

    return tamper


def in_place(name: str, **changes: Any) -> Any:
    """Change the first item of a list of objects."""

    def change(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first = {**items[0], **changes}
        return [{k: v for k, v in first.items() if v is not None}, *items[1:]]

    return {name: change}


def times(factor: int, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same entries of another amount."""
    sides = ("debit_minor", "credit_minor")
    return [{**entry, **{side: factor * entry[side] for side in sides if side in entry}} for entry in entries]


def move_leg(ledger: Ledger) -> None:
    """The payee's partition credits one cent more than was sent, in all places that show it."""
    place = locate(ledger, EVENTS, type="transfer.received")
    edit(
        ledger,
        EVENTS,
        place,
        amount_minor=lambda minor: minor + 1,
        entries=lambda entries: [
            {**e, **{side: e[side] + 1 for side in ("debit_minor", "credit_minor") if side in e}} for e in entries
        ],
    )
    reseal(ledger)


def overdraw(forced: bool) -> Tamper:
    """A debit of more than there is."""

    def tamper(ledger: Ledger) -> None:
        place = locate(ledger, EVENTS, wallet_id=THERE[1], **SENT)
        edit(
            ledger,
            EVENTS,
            place,
            forced=forced or None,
            entries=lambda entries: [
                {**e, **{side: 10**6 for side in ("debit_minor", "credit_minor") if side in e}} for e in entries
            ],
        )
        reseal(ledger)

    return tamper


def swap_released(ledger: Ledger) -> None:
    partition, index = locate(ledger, EVENTS, type="wallet.released")
    records = ledger.topics[EVENTS][partition]
    first, second = records[index + 1], records[index + 2]
    records[index + 1] = first._replace(value=second.value)
    records[index + 2] = second._replace(value=first.value)
    reseal(ledger)


def spoil_last_balances(ledger: Ledger) -> None:
    records = ledger.topics[BALANCES][0]
    records[-1] = records[-1]._replace(value=b"{")


def lose_last_seal(ledger: Ledger) -> None:
    remove(ledger, EVENTS, (0, -1))


def lose_parked(ledger: Ledger) -> None:
    partition, index = locate(ledger, EVENTS, type="wallet.released")
    remove(ledger, EVENTS, (partition, index + 2))
    reseal(ledger)


def cut_last_batch_of_saga(ledger: Ledger) -> None:
    """The event that ends a saga is gone, and with it the record that told it."""
    partition, index = locate(ledger, EVENTS, type="transaction.settled", from_state="processed")
    event = orjson.loads(remove(ledger, EVENTS, (partition, index)).value or b"")
    cause = event["cause"]
    held = ledger.topics[cause["topic"]][cause["partition"]]
    held[:] = [record for record in held if record.offset != cause["offset"]]
    remove(ledger, OUTCOMES, locate(ledger, OUTCOMES, kind="update", transaction_id=event["transaction_id"]))
    reseal(ledger)


def last_seal(**changes: Any) -> Tamper:
    def tamper(ledger: Ledger) -> None:
        place = (0, len(ledger.topics[EVENTS][0]) - 1)
        edit(ledger, EVENTS, place, **changes)
        reseal(ledger)

    return tamper


def spans(**change: int) -> Any:
    return lambda inputs: {**inputs, REQUESTS: {**inputs[REQUESTS], **change}}


def under_key(key: bytes | None, **wanted: Any) -> Tamper:
    """The first such event is kept under another key of Kafka; no seal covers it."""

    def tamper(ledger: Ledger) -> None:
        partition, index = locate(ledger, EVENTS, **wanted)
        records = ledger.topics[EVENTS][partition]
        records[index] = records[index]._replace(key=key)

    return tamper


def foreign_wallet(ledger: Ledger) -> None:
    place = locate(ledger, EVENTS, type="wallet.opened", wallet_id=HERE[3])
    edit(ledger, EVENTS, place, wallet_id=THERE[7])
    reseal(ledger)


def foreign_money(ledger: Ledger) -> None:
    stranger = f"{THERE[9]}/main/available"
    place = locate(ledger, EVENTS, type="transaction.settled", operation="debit")
    edit(ledger, EVENTS, place, **in_place("entries", account=stranger))
    reseal(ledger)


def other_key(ledger: Ledger) -> None:
    """Two debits that are told apart by their keys only."""
    at = locate(ledger, EVENTS, type="transaction.settled", operation="credit", wallet_id=HERE[1])
    key = orjson.loads(ledger.topics[EVENTS][at[0]][at[1]].value or b"")["cause"]["idempotency_key"]
    other = locate(ledger, EVENTS, operation="enable_asset", type="wallet.asset_enabled")
    edit(ledger, EVENTS, other, cause=lambda cause: {**cause, "idempotency_key": key})
    reseal(ledger)


def lose_forward(ledger: Ledger) -> None:
    """A forwarded record vanishes on its way, with all that it led to."""
    place = locate(ledger, EVENTS, cause=lambda cause: cause and cause.get("origin", {}).get("topic") == REQUESTS)
    cause = orjson.loads(remove(ledger, EVENTS, place).value or b"")["cause"]
    held = ledger.topics[cause["topic"]][cause["partition"]]
    held[:] = [record for record in held if record.offset != cause["offset"]]
    reseal(ledger)


def sagas_terms(ledger: Ledger) -> None:
    place = locate(ledger, EVENTS, type="transfer.received")
    edit(ledger, EVENTS, place, counterparty={"wallet_id": HERE[9], "sub_wallet": "main"})
    reseal(ledger)


def cut_tail(ledger: Ledger) -> None:
    """The last batch of a partition is gone, seal and all, but not what was published with it."""
    records = ledger.topics[EVENTS][0]
    seals = [index for index, record in enumerate(records) if is_seal(record.value or b"")]
    del records[seals[-2] + 1 :]


def other_command(ledger: Ledger) -> None:
    """A replay of what the record does not ask for."""
    at = locate(ledger, EVENTS, type="request.replayed")
    cause = orjson.loads(ledger.topics[EVENTS][at[0]][at[1]].value or b"")["cause"]
    held = ledger.topics[cause["topic"]][cause["partition"]]
    (index,) = [index for index, record in enumerate(held) if record.offset == cause["offset"]]
    edit(ledger, cause["topic"], (cause["partition"], index), amount_minor=lambda minor: minor + 1)


def forward_more(ledger: Ledger) -> None:
    """A forwarded record asks for more when it arrives, and is decided and kept as it arrived."""
    (partition, index) = locate(ledger, INTERNAL, operation="forward", value=lambda text: '"f-2"' in text)
    more = '"amount_minor":1100'
    edit(ledger, INTERNAL, (partition, index), value=lambda text: text.replace('"amount_minor":11', more))
    place = locate(
        ledger, EVENTS, operation="credit", cause=lambda cause: cause.get("idempotency_key") == "f-2", code="ok"
    )
    edit(
        ledger,
        EVENTS,
        place,
        amount_minor=1100,
        request=lambda request: {**request, "amount_minor": 1100},
        entries=lambda entries: times(100, entries),
    )
    request = decode_event(ledger.topics[EVENTS][place[0]][place[1]].value or b"").request
    digest = sha256(bytes(request)).hexdigest()  # type: ignore[arg-type]
    edit(ledger, EVENTS, place, cause=lambda cause: {**cause, "fingerprint": digest})
    reseal(ledger)


def without_request(ledger: Ledger) -> None:
    """An event that keeps nothing by which it could be judged."""
    place = locate(ledger, EVENTS, **DEBIT)
    edit(ledger, EVENTS, place, request=None, cause=lambda cause: {**cause, "fingerprint": "0" * 64})
    reseal(ledger)
