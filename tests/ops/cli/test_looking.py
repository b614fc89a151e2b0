"""`walletstream wallet`, `tx`, `tail` and `dlq` on a real broker, after a ledger's small life."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from ops.cli import main
from schemas.dead_letters import DeadLetterHeaders
from schemas.topics import DEAD_LETTERS, RECONCILIATION_PROOFS, TRANSACTION_REQUESTS, full_name
from streams.machine import Message
from tests.broker import Kafka, delete_topics, new_namespace
from tests.ops.verify.honest import Ledger
from tests.ops.verify.on_kafka import create_topics, write
from tests.ops.verify.story import HERE, PARTITIONS, THERE, living

pytestmark = pytest.mark.kafka


class Written:
    """A ledger on the broker, and the command line on it."""

    def __init__(self, kafka: Kafka, namespace: str):
        self.kafka, self.namespace = kafka, namespace
        self.ledger: Ledger = living()
        asyncio.run(create_topics(kafka.bootstrap_servers, namespace, PARTITIONS))
        asyncio.run(write(self.ledger, kafka.bootstrap_servers, namespace))

    def run(self, *arguments: str, input: str | None = None, **environment: str) -> Result:  # noqa: A002 - click's name
        environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": self.namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            **environment,
        }
        return CliRunner().invoke(main, arguments, env=environ, input=input)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        result = self.run("tail", *arguments, "--no-follow", "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def written(kafka: Kafka) -> Iterator[Written]:
    """For tests that only look."""
    namespace = new_namespace()
    yield Written(kafka, namespace)
    asyncio.run(delete_topics(kafka, namespace))


# ---- wallet and tx ------------------------------------------------------------------------------------


def test_a_wallet(written: Written) -> None:
    shown = written.json("wallet", "show", HERE[0])
    assert shown["state"] == "active"
    assert shown["sub_wallets"] == {"main": "main", "savings": "savings"}
    assert {b["account"]: b["balance_minor"] for b in shown["balances"]}[f"{HERE[0]}/savings/available"] == 5
    assert len(shown["movements"]) == 10
    text = written.run("wallet", "show", HERE[0], "-n", "2")
    assert text.exit_code == 0
    assert f"wallet      {HERE[0]}  (customer, owner o)" in text.output
    assert "last 2 of " in text.output
    assert re.search(r"available +held +incoming +outgoing +disputed\n", text.output)
    assert re.search(rf"{HERE[0]}/savings +EUR +0\.05\n", text.output)
    assert "+0.11 EUR" in text.output


def test_what_owners_and_requests_say_does_not_steer_a_terminal(kafka: Kafka, namespace: str) -> None:
    written = Written(kafka, namespace)
    wallet, steps = HERE[5], len(written.ledger.history)
    written.ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="a\x1b[31m\x1b]0;t\x07", assets=["EUR"])
    written.ledger.send(operation="x\x1b[31m", wallet_id=wallet)
    written.ledger.run()
    asyncio.run(write(written.ledger, kafka.bootstrap_servers, namespace, since=steps))
    shown = written.run("wallet", "show", wallet).stdout
    assert "owner a\\x1b[31m\\x1b]0;t\\x07)" in shown
    assert re.search(r"request.dead_lettered +x\\x1b\[31m", shown)


def test_a_wallet_without_money_and_one_that_is_not(written: Written) -> None:
    locked = written.run("wallet", "show", HERE[3])
    assert "state       locked" in locked.output
    assert "by          set_wallet_state at 20" in locked.output
    assert locked.output.split("set_wallet_state at ")[1].split("\n")[0].endswith("Z: mended")
    missing = written.run("wallet", "show", "nobody-1")
    assert missing.exit_code == 1
    assert "no wallet 'nobody-1' in" in missing.stderr


def _transaction(written: Written, amount_minor: int) -> str:
    for line in written.lines("ledger-events", "--from-start"):
        value = line["value"]
        if value.get("amount_minor") == amount_minor and value.get("transaction_id"):
            return str(value["transaction_id"])
    raise LookupError(amount_minor)


def test_both_sides_of_a_transfer(written: Written) -> None:
    transaction_id = _transaction(written, 60)
    events = written.json("tx", "show", transaction_id)["events"]
    assert [(e["partition"], e["event"]["type"]) for e in events] == [
        (0, "transaction.processed"),
        (1, "transfer.received"),
        (0, "transaction.settled"),
    ]
    text = written.run("tx", "show", transaction_id).output
    assert f"transfer of 0.60 EUR, wallet {HERE[0]}/main to {THERE[0]}/main: settled" in text
    assert "transfer.received (credit leg)  partition 1" in text
    # Nobody named the request.
    assert re.search(r"^asked by transaction-requests/0 offset \d+, key '[^']+'$", text, re.MULTILINE)
    assert text.count("system/transit") == 2


def test_both_sides_of_what_came_out_of_a_transaction(kafka: Kafka, namespace: str) -> None:
    """The payee's side of a capture names the capture, and not the hold that it is of."""
    written = Written(kafka, namespace)
    ledger, steps, wallet = written.ledger, len(written.ledger.history), HERE[0]
    ledger.send(operation="authorize", wallet_id=wallet, amount_minor=7, asset="EUR", expires_in_s=86_400)
    ledger.run()
    value = ledger.topics["ledger-events"][0][-2].value
    assert value is not None
    hold = json.loads(value)["transaction_id"]
    ledger.send(
        operation="capture", wallet_id=wallet, transaction_id=hold, amount_minor=3, to_wallet_id=THERE[0], final=True
    )
    ledger.run()
    asyncio.run(write(ledger, kafka.bootstrap_servers, namespace, since=steps))
    shown = written.json("tx", "show", hold)
    (capture,) = shown["children"]
    moved = [
        (one["partition"], entry["account"], entry["asset"], entry.get("debit_minor", 0), entry.get("credit_minor", 0))
        for one in shown["events"]
        for entry in one["event"].get("entries", [])
    ]
    assert (1, f"{THERE[0]}/main/available", "EUR", 0, 3) in moved
    assert sum(debit - credit for _, account, _, debit, credit in moved if account == "system/transit") == 0
    places = [(one["partition"], one["offset"]) for one in shown["events"]]
    assert len(set(places)) == len(places)
    of_capture = written.json("tx", "show", capture["transaction_id"])["events"]
    assert all(one in shown["events"] for one in of_capture)


def test_a_transfer_that_was_refused(written: Written) -> None:
    text = written.run("tx", "show", _transaction(written, 90)).output
    assert ": failed\n" in text
    assert "payee_refused: the payee's wallet answered wallet_not_found" in text


def test_no_transaction(written: Written) -> None:
    assert "no transaction id: 32 hexadecimal digits" in written.run("tx", "show", "w1").stderr
    missing = written.run("tx", "show", "0" * 32)
    assert missing.exit_code == 1
    assert f"no transaction {'0' * 32} in" in missing.stderr


def test_whoever_waits_for_a_log_to_be_read_sees_how_far_it_is(written: Written) -> None:
    """Rich takes standard error for a terminal with this variable set."""
    events = len(written.lines("ledger-events", "--from-start", "--partition", "0"))
    shown = written.run("wallet", "show", HERE[0], FORCE_COLOR="1")
    assert "reading ledger-events" in shown.stderr
    (offsets,) = re.findall(r"m(\d+)/\1\x1b", shown.stderr)[-1:]
    assert int(offsets) >= events
    assert "reading ledger-events" in written.run("tx", "show", _transaction(written, 60), FORCE_COLOR="1").stderr
    for arguments in (["ls"], ["show", "0/0"]):
        assert "reading dead-letters" in written.run("dlq", *arguments, FORCE_COLOR="1").stderr
    assert written.run("wallet", "show", HERE[0]).stderr == ""


# ---- tail ---------------------------------------------------------------------------------------------


def test_all_of_a_topic_and_one_partition_of_it(written: Written) -> None:
    held = written.ledger.topics["ledger-events"]
    assert len(written.lines("ledger-events", "--from-start")) == len(held[0]) + len(held[1])
    first = written.lines("ledger-events", "--from-start", "--partition", "1")
    assert [line["offset"] for line in first] == [record.offset for record in held[1]]


def test_the_last_and_the_first_records(written: Written) -> None:
    held = written.ledger.topics["ledger-events"][0]
    last = written.lines("ledger-events", "-n", "3", "--partition", "0")
    assert [line["offset"] for line in last] == [record.offset for record in held[-3:]]
    first = written.lines("ledger-events", "-n", "3", "--partition", "0", "--from-start")
    assert [line["offset"] for line in first] == [0, 1, 2]
    text = written.run("tail", "ledger-events", "-n", "1", "--partition", "0").output
    assert "batch.sealed" in text


def test_the_last_records_are_shown_whatever_the_clocks_of_who_wrote_them_said(kafka: Kafka, namespace: str) -> None:
    written = Written(kafka, namespace)

    async def put() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()
        for at_ms in (1_000, 9_000, 5_000, 7_000):
            topic = full_name(namespace, RECONCILIATION_PROOFS)
            await producer.send_and_wait(topic, b"{}", partition=0, timestamp_ms=at_ms)
        await producer.stop()

    asyncio.run(put())
    last = written.lines(RECONCILIATION_PROOFS, "-n", "3", "--partition", "0")
    assert sorted(line["offset"] for line in last) == [1, 2, 3]
    first = written.lines(RECONCILIATION_PROOFS, "-n", "3", "--partition", "0", "--from-start")
    assert sorted(line["offset"] for line in first) == [0, 1, 2]


def test_records_of_one_wallet(written: Written) -> None:
    lines = written.lines("ledger-events", "--from-start", "--wallet", HERE[1])
    keys = {line["key"] for line in lines}
    assert HERE[1] in keys
    assert HERE[0] in keys, "a transfer to it is kept under its payer"
    assert all(f'"{HERE[1]}' in json.dumps(line) for line in lines)
    assert {line["key"] for line in written.lines("transaction-outcomes", "-n", "5", "--wallet", HERE[1])} == {HERE[1]}


def test_a_topic_that_is_none(written: Written) -> None:
    assert "'nothing' is not one of" in written.run("tail", "nothing").stderr
    assert "has no partition 9" in written.run("tail", "ledger-events", "--partition", "9").stderr


def test_a_broker_that_is_away() -> None:
    away = {"WALLETSTREAM_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    for arguments in (["wallet", "show", "w"], ["tx", "show", "0" * 32], ["tail", "assets"], ["dlq", "ls"]):
        result = CliRunner().invoke(main, arguments, env=away)
        assert result.exit_code == 1
        assert "no Kafka broker answers at 127.0.0.1:1" in result.stderr


# ---- dlq ----------------------------------------------------------------------------------------------


def _ids(written: Written, reason: str) -> list[str]:
    return [letter["id"] for letter in written.json("dlq", "ls", "--reason", reason)]


def test_dead_letters_are_listed_and_shown(written: Written) -> None:
    letters = written.json("dlq", "ls")
    assert len(letters) == 5
    assert {letter["dlq.reason"] for letter in letters} == {"malformed", "internal_error"}
    (unread,) = [letter["id"] for letter in letters if letter["value"] == "not json"]
    text = written.run("dlq", "show", unread).output
    assert "6e 6f 74 20 6a 73 6f 6e" in text
    assert "not json" in text
    assert written.json("dlq", "show", unread)["value_hex"] == b"not json".hex()
    unknown = written.run("dlq", "show", "0/999")
    assert unknown.exit_code == 1
    assert "no dead letter 0/999" in unknown.stderr


def test_replay_sends_the_record_again_once(kafka: Kafka, namespace: str) -> None:
    written = Written(kafka, namespace)
    (letter_id,) = _ids(written, "internal_error")
    source = written.json("dlq", "show", letter_id)
    before = written.lines(TRANSACTION_REQUESTS, "--from-start")
    for answer in ("n\n", ""):
        refused = written.run("dlq", "replay", letter_id, input=answer)
        assert refused.exit_code == 1
        assert refused.stderr.endswith("nothing was done; with --yes nobody is asked\n")
    assert written.lines(TRANSACTION_REQUESTS, "--from-start") == before
    done = written.run("dlq", "replay", letter_id, "--yes", "--by", "ines", "--note", "mended")
    assert done.output.endswith("1 dead letter replayed\n")
    (again,) = [line for line in written.lines(TRANSACTION_REQUESTS, "--from-start") if line not in before]
    assert (again["key"], again["value"], again["headers"]) == (source["key"], source["value"], source["headers"])
    assert again["partition"] == source["dlq.original-partition"]
    repeated = written.run("dlq", "replay", letter_id, "--yes")
    assert (repeated.exit_code, repeated.output) == (0, f"{letter_id} was replayed already; left alone\n")
    assert len(written.lines(TRANSACTION_REQUESTS, "--from-start")) == len(before) + 1
    resolution = written.json("dlq", "show", letter_id)["resolution"]
    assert (resolution["what"], resolution["by"], resolution["note"]) == ("replayed", "ines", "mended")


def test_decisions_as_json(kafka: Kafka, namespace: str) -> None:
    written = Written(kafka, namespace)
    first, second, *_ = _ids(written, "malformed")
    assert written.json("dlq", "discard", first, "--yes") == {"discarded": [first], "left_alone": {}}
    told = {"discarded": [second], "left_alone": {first: "discarded"}}
    asked = written.run("dlq", "discard", first, second, "--json", input="y\n")
    assert json.loads(asked.stdout.partition("y\n")[2]) == told, "click's runner echoes the answer"
    assert "discard 1 dead letter?" in asked.stderr
    (failed,) = _ids(written, "internal_error")
    assert written.json("dlq", "replay", failed, first, "--yes") == {
        "replayed": [failed],
        "left_alone": {first: "discarded"},
    }
    assert written.json("dlq", "replay", failed, "--yes")["left_alone"] == {failed: "replayed"}


def test_discard_by_reason(kafka: Kafka, namespace: str) -> None:
    written = Written(kafka, namespace)
    ids = _ids(written, "malformed")
    assert len(ids) == 4
    done = written.run("dlq", "discard", "--reason", "malformed", "--yes", "--by", "omar")
    assert done.output.endswith("4 dead letters discarded\n")
    assert _ids(written, "malformed") == []
    shown = written.run("dlq", "ls", "--all").output
    assert shown.count("discarded") == 4
    assert "was discarded already; left alone" in written.run("dlq", "replay", ids[0], "--yes").output
    text = written.run("dlq", "show", ids[0]).output
    assert "by omar: no note" in text
    nothing = written.run("dlq", "discard", "--reason", "malfromed", "--yes")
    assert (nothing.exit_code, nothing.stdout) == (0, "0 dead letters discarded\n")
    assert "name what to discard" in written.run("dlq", "discard").stderr


def test_what_operators_note_does_not_steer_a_terminal(kafka: Kafka, namespace: str) -> None:
    written = Written(kafka, namespace)
    first, second, *_ = _ids(written, "malformed")
    assert (
        written.run("dlq", "discard", first, "--yes", "--by", "o\x1b[2J", "--note", "a\nb\x1b]0;t\x07").exit_code == 0
    )
    shown = written.run("dlq", "show", first).output
    assert "by o\\x1b[2J: a\\nb\\x1b]0;t\\x07\n" in shown
    assert "\x1b" not in shown
    no_text = "\udcff"  # what a byte on the command line becomes that is no UTF-8
    assert written.run("dlq", "discard", second, "--yes", "--note", no_text).exit_code == 0
    assert written.json("dlq", "show", second)["resolution"]["note"] == "\\udcff"


def test_a_record_that_came_compressed_is_replayed_although_it_is_large(kafka: Kafka, namespace: str) -> None:
    written = Written(kafka, namespace)
    value = b'{"wallet_id":"' + HERE[0].encode() + b'","x":"' + b"x" * 2_000_000 + b'"}'
    noise = random.Random(1).randbytes(1_500_000)
    headers = DeadLetterHeaders(
        reason="malformed",
        stage="decode",
        original_topic=TRANSACTION_REQUESTS,
        original_partition=0,
        original_offset=0,
        original_timestamp=0,
        app_version="0.1.0",
    ).encode()
    letters = [Message(DEAD_LETTERS, 0, HERE[0].encode(), said, headers) for said in (value, noise)]
    written.ledger.history.append((True, letters))
    steps = len(written.ledger.history)
    asyncio.run(write(written.ledger, kafka.bootstrap_servers, namespace, since=steps - 1))
    large, too_large = sorted(
        (letter["id"] for letter in written.json("dlq", "ls") if letter["size_bytes"] > 1_000_000),
        key=lambda letter_id: int(letter_id.split("/")[1]),
    )
    refused = written.run("dlq", "replay", large, too_large, "--yes")
    assert refused.exit_code == 1
    assert f"{too_large}: the record is larger than " in refused.stderr
    assert "nothing was replayed" in refused.stderr
    assert written.json("dlq", "replay", large, "--yes")["replayed"] == [large]
    assert [line["value"] for line in written.lines(TRANSACTION_REQUESTS, "-n", "1", "--partition", "0")] == [
        json.loads(value)
    ]
