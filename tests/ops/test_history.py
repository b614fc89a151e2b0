"""What the log tells of one wallet or transaction."""

from __future__ import annotations

import msgspec

from agents.ledger.state import BALANCES
from ops.history import Logged, WalletHistory, concerns, in_order
from ops.story.steps import EXAMPLES
from schemas.events import Exchange, decode_event
from tests.ops.verify.story import HERE, THERE, living, story
from tests.ops.verify.tamper import EVENTS


def _events(partition: int) -> list[Logged]:
    records = [record for record in story().topics[EVENTS][partition] if b"batch.sealed" not in (record.value or b"")]
    return [Logged(partition, record.offset, decode_event(record.value or b"")) for record in records]


def _history(wallet_id: str, partition: int) -> WalletHistory:
    history = WalletHistory(wallet_id)
    for logged in _events(partition):
        history.take(logged)
    return history


def test_facts_are_those_of_the_ledger() -> None:
    history = _history(HERE[0], 0)
    assert (history.is_open, history.state, history.owner_ref, history.kind) == (True, "active", "o", "customer")
    assert history.sub_wallets == {"main": "main", "savings": "savings"}
    assert _history(HERE[1], 0).assets == ("EUR", "JPY", "USD")
    assert _history(HERE[3], 0).state == "locked"
    assert not _history("nobody", 0).is_open


def test_a_state_says_where_it_is_from() -> None:
    assert _history(HERE[0], 0).state_from is None
    by_operators = _history(HERE[3], 0).state_from
    assert by_operators is not None
    assert (by_operators.operation, by_operators.why, by_operators.alert_id) == ("set_wallet_state", "mended", None)
    assert str(by_operators) == f"set_wallet_state at {by_operators.recorded_at}: mended"


def test_what_the_fraud_role_ordered_is_told_and_is_no_movement() -> None:
    history = WalletHistory("w-bob-2")
    for name in ("require_step_up", "lock"):
        history.take(Logged(0, 0, decode_event((EXAMPLES / f"ledger-events.v1/{name}.json").read_bytes())))
    assert history.state == "locked"
    assert history.state_from is not None
    assert history.step_up is not None
    assert str(history.state_from) == (
        f"lock at {history.state_from.recorded_at}, alert 9d0e4b7715ac2f38: "
        "97 % of what the wallet held has left it within an hour."
    )
    assert (history.step_up.operation, history.step_up.alert_id) == ("require_step_up", "3f1c0a9be2d74c55")
    assert history.movements == []


def test_a_quarantine_begins_and_ends() -> None:
    history = WalletHistory(THERE[3])
    states = []
    for logged in _events(1):
        history.take(logged)
        states.append(history.quarantined)
    assert True in states
    assert not states[-1]


def test_movements_add_up_to_the_balance() -> None:
    for partition, wallet_id in ((0, HERE[0]), (0, HERE[1]), (1, THERE[0]), (1, THERE[3])):
        history = _history(wallet_id, partition)
        sums: dict[str, int] = {}
        for logged in history.movements:
            for asset, minor in history.change_minor(logged.event).items():
                sums[asset] = sums.get(asset, 0) + minor
        balances = living().overlays[partition].table(BALANCES)
        for asset in sums:
            names = [f"{wallet_id}/{sub}/available {asset}" for sub in history.sub_wallets]
            assert sums[asset] == sum(balances.get(name) or 0 for name in names)


def test_both_sides_of_a_transfer_in_the_order_of_what_happened() -> None:
    everything = [*_events(1), *_events(0)]
    (sent,) = [x for x in everything if x.event.type == "transaction.processed" and x.event.amount_minor == 60]
    transaction_id = sent.event.transaction_id
    assert transaction_id is not None
    found = in_order(x for x in everything if concerns(x.event, transaction_id))
    assert [(x.partition, x.event.type) for x in found] == [
        (0, "transaction.processed"),
        (1, "transfer.received"),
        (0, "transaction.settled"),
    ]


def test_events_are_json_with_their_raw_parts() -> None:
    value = next(x for x in _events(0) if x.event.type == "wallet.opened").as_json()
    assert value["partition"] == 0
    assert value["event"]["request"]["operation"] == "open_wallet"


def test_a_fraction_beyond_64_bits_is_json_to_its_last_digit() -> None:
    exchange = Exchange("r-1", "ecb", "WEI", 1, "EUR", 1, numerator=10**22 + 1, denominator=3)
    event = msgspec.structs.replace(next(x for x in _events(0)).event, exchange=exchange)
    assert Logged(0, 1, event).as_json()["event"]["exchange"]["numerator"] == 10**22 + 1
