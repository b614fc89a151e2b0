"""Large records: whatever their key, value and headers weigh, what is said about them fits into its topic."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from hashlib import sha256

import pytest

from schemas.assets import ISO_4217
from schemas.catalogue import topic_named
from schemas.contract import MAX_ACCOUNTS
from schemas.dead_letters import REFERENCE_HEAD_BYTES, OversizedReference, decode_reference, read_dead_letter_headers
from schemas.events import AccountBalance, Source
from schemas.internal import ForwardedRecord, decode_internal, encode_internal
from schemas.money import INT64_MIN
from schemas.outcomes import WalletBalances, encode_balances
from schemas.topics import ENVELOPE_MAX_BYTES, INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from streams.dead_letters import FITS_BYTES, KEY_MAX_BYTES
from streams.machine import Headers, Message
from tests.ledger.audit import audit, audit_fold
from tests.ledger.bad_input import GOOD, OTHER, WALLET, encode
from tests.ledger.commands import Json, command, credit, open_wallet
from tests.ledger.world import Position, Shard, World

MIB = 1 << 20
#: What a Kafka record batch of one record adds to its key, value and headers, at most.
BATCH_BYTES = 200
#: Kafka takes a record batch of 1 MiB, so that a key may be this long.
LONGEST_KEY = b"k" * (MIB - BATCH_BYTES)
LONG_HEADERS: Headers = [("x", b"\xff" * (MIB // 2)), ("y", None), ("x", b"\x00" * (MIB // 4))]


class Measured(World):
    """A world whose topics refuse what Kafka's would."""

    def _write(self, shard: Shard, message: Message) -> None:
        headers = sum(len(name) + len(value or b"") + 8 for name, value in message.headers)
        size = len(message.key or b"") + len(message.value or b"") + headers + BATCH_BYTES
        assert size <= topic_named(message.topic).max_message_bytes, message.topic
        super()._write(shard, message)


def opened() -> Measured:
    world = Measured(2)
    for asked in (open_wallet(WALLET), credit(WALLET, 100), open_wallet(OTHER)):
        assert world.submit(asked)["code"] == "ok"
    return world


def put(
    world: World, value: bytes | None, *, key: bytes | None = None, headers: Headers = (), astray: bool = False
) -> Position:
    """A record among good ones, in the partition of WALLET or in another one."""
    partition = world.owner(OTHER if astray else WALLET)
    before = world.put(credit(WALLET, 1))
    at = world.append(
        TRANSACTION_REQUESTS, value, key=WALLET.encode() if key is None else key, headers=headers, partition=partition
    )
    after = world.put(credit(WALLET, 1))
    world.settle()
    assert (world.answer(before)["code"], world.answer(after)["code"]) == ("ok", "ok")
    audit(world)
    audit_fold(world)
    return at


def padded(size_bytes: int, fields: Json = GOOD) -> bytes:
    """A good command behind white space."""
    return encode(fields).rjust(size_bytes)


def reference_of(world: World) -> tuple[OversizedReference, str]:
    """The only dead letter, which must be a reference, and the stage in which it became one."""
    (letter,) = world.dead_letters
    said = read_dead_letter_headers(letter.headers)
    assert said.reason == "oversized"
    assert len(letter.headers) == len(said.encode()), "the record's own headers may be what is too large"
    return decode_reference(letter.value or b""), said.stage


@pytest.mark.parametrize("value", [None, b"hello"])
def test_the_longest_key_that_kafka_takes_is_kept_untouched(value: bytes | None) -> None:
    world = opened()
    at = put(world, value, key=LONGEST_KEY)
    answer = world.answer(at)
    assert (answer["code"], answer["_key"]) == ("malformed", None)
    (event,) = world.events_of(at)
    assert (event["type"], event["_key"]) == ("request.dead_lettered", None)
    (letter,) = world.dead_letters
    assert (letter.key, letter.value) == (LONGEST_KEY, value)
    assert read_dead_letter_headers(letter.headers).reason == "malformed"


def test_events_and_answers_bear_the_keys_that_a_wallet_could_nearly_have() -> None:
    for size, kept in ((KEY_MAX_BYTES, True), (KEY_MAX_BYTES + 1, False)):
        for value in (None, encode(GOOD)):
            world = opened()
            key = b"k" * size
            at = put(world, value, key=key)
            answer = world.answer(at)
            assert answer["code"] == ("malformed" if value is None else "key_mismatch")
            assert (answer["_key"], world.events_of(at)[0]["_key"]) == ((key, key) if kept else (None, None))


def test_a_key_that_was_compressed_is_left_out_of_everything_and_told_by_its_digest() -> None:
    world = opened()
    key = os.urandom(3 * MIB)
    at = put(world, None, key=key)
    assert (world.answer(at)["code"], world.answer(at)["_key"]) == ("malformed", None)
    (letter,) = world.dead_letters
    assert letter.key is None
    reference, stage = reference_of(world)
    assert (reference.key_size_bytes, reference.key_sha256) == (3 * MIB, sha256(key).hexdigest())
    assert (reference.size_bytes, stage) == (0, "decode")


def test_a_value_that_was_compressed_is_kept_as_a_reference() -> None:
    world = opened()
    value = b"\xff" * (5 * MIB)
    at = put(world, value)
    answer = world.answer(at)
    assert (answer["code"], answer["_key"]) == ("malformed", WALLET.encode())
    reference, stage = reference_of(world)
    assert reference == OversizedReference(
        **at._asdict(), size_bytes=5 * MIB, sha256=sha256(value).hexdigest(), head=value[:REFERENCE_HEAD_BYTES]
    )
    assert stage == "decode"
    assert world.dead_letters[0].key == WALLET.encode()


def test_a_command_that_was_compressed_is_decided_for_nothing_of_its_size_remains() -> None:
    world = opened()
    at = put(world, padded(5 * MIB))
    assert world.answer(at)["code"] == "ok"
    assert world.dead_letters == []


@pytest.mark.parametrize(("mib", "reason"), [(1, "malformed"), (3, "oversized")])
def test_headers_count(mib: int, reason: str) -> None:
    world = opened()
    headers = [("ce_x", b"x" * 1_000)] * (mib * 1_000)
    at = put(world, b"hello", headers=headers)
    assert world.answer(at)["code"] == "malformed"
    (letter,) = world.dead_letters
    said = read_dead_letter_headers(letter.headers)
    assert said.reason == reason
    assert len(letter.headers) - len(said.encode()) == (0 if reason == "oversized" else len(headers))


@pytest.mark.parametrize(("headers", "size_bytes"), [((), 0), ([("ü", b"yz"), ("x", None)], 9)])
def test_what_fits_exactly_is_untouched_and_one_byte_more_is_not(headers: Headers, size_bytes: int) -> None:
    for more, reason in ((0, "malformed"), (1, "oversized")):
        world = opened()
        put(world, b"\xff" * (FITS_BYTES - len(WALLET) - size_bytes + more), headers=headers)
        assert read_dead_letter_headers(world.dead_letters[0].headers).reason == reason


def test_a_bug_on_a_large_command_quarantines_its_wallet_too() -> None:
    world = opened()
    world.machine.fails = lambda record, _context: len(record.value or b"") > MIB
    at = world.append(TRANSACTION_REQUESTS, padded(3 * MIB), key=WALLET.encode(), partition=world.owner(WALLET))
    world.settle()
    assert world.answer(at)["code"] == "internal_error"
    assert world.events_of(at)[0]["type"] == "wallet.quarantined"
    assert reference_of(world)[1] == "decide"
    assert world.submit(credit(WALLET, 1))["code"] == "wallet_quarantined"


# ---- forwarded -------------------------------------------------------------------------------------------


def test_a_forwarded_record_has_everything_that_it_came_with() -> None:
    world = opened()
    headers: Headers = [("ce_id", "ü".encode()), ("x", b"\xff\x00"), ("y", None), ("", b"")]
    at = put(
        world,
        encode({name: value for name, value in GOOD.items() if name != "request_id"}),
        headers=headers,
        astray=True,
    )
    assert (world.answer(at)["code"], world.answer(at)["request_id"]) == ("ok", "ü")
    (told,) = world.shards[world.owner(WALLET)].inputs[INTERNAL_COMMANDS]
    forwarded = decode_internal(told.value or b"")
    assert isinstance(forwarded, ForwardedRecord)
    assert list(forwarded.headers) == list(headers)


def test_the_largest_record_of_a_producer_is_forwarded() -> None:
    """Line feeds take two bytes each in JSON, and headers four for three."""
    for value, headers in ((encode(GOOD).rjust(MIB - BATCH_BYTES, b"\n"), ()), (encode(GOOD), LONG_HEADERS)):
        world = opened()
        assert world.answer(put(world, value, headers=headers, astray=True))["code"] == "ok"


def test_a_record_is_forwarded_as_long_as_what_is_sent_fits() -> None:
    for more, type_ in ((0, "request.forwarded"), (1, "request.dead_lettered")):
        world = opened()
        here = Source(
            TRANSACTION_REQUESTS, world.owner(OTHER), len(world.shards[world.owner(OTHER)].inputs[TRANSACTION_REQUESTS])
        )
        bare = encode_internal(ForwardedRecord(source=here, key=WALLET, value=encode(GOOD).decode(), headers=()))
        at = put(world, padded(FITS_BYTES - len(WALLET) - len(bare) + len(encode(GOOD)) + more), astray=True)
        assert world.events_of(at)[0]["type"] == type_


def test_a_command_too_large_to_be_forwarded_is_answered_where_it_arrived() -> None:
    world = opened()
    at = put(world, padded(3 * MIB), astray=True)
    answer = world.answer(at)
    assert (answer["code"], answer["idempotency_key"], answer["source"]) == ("malformed", "bad-1", at._asdict())
    assert answer["message"] == "the record, or what it leads to, is too large for the broker"
    reference, stage = reference_of(world)
    assert (reference.size_bytes, stage) == (3 * MIB, "write")
    assert not [event for event in world.events if event["type"] == "request.forwarded"]


def test_a_forwarded_record_is_dead_lettered_untouched_by_its_owner() -> None:
    """One that just fits: the owner's dead letter has headers besides."""
    world = opened()
    at = world.append(
        TRANSACTION_REQUESTS, padded(FITS_BYTES - 1_000), key=WALLET.encode(), partition=world.owner(OTHER)
    )
    world.machine.fails = lambda _record, context: context.topic == INTERNAL_COMMANDS
    world.settle()
    assert world.answer(at)["code"] == "internal_error"
    (letter,) = world.dead_letters
    assert read_dead_letter_headers(letter.headers).reason == "internal_error"
    forwarded = decode_internal(letter.value or b"")
    assert isinstance(forwarded, ForwardedRecord)
    assert forwarded.value == padded(FITS_BYTES - 1_000).decode()


# ---- a wallet's accounts ---------------------------------------------------------------------------------


def test_the_balances_of_the_largest_wallet_fit_into_their_topic() -> None:
    account = f"{'w' * 64}/{'s' * 32}/available"
    accounts = tuple([AccountBalance(account, "A" * 16, INT64_MIN)] * MAX_ACCOUNTS)
    value = WalletBalances(
        wallet_id="w" * 64, partition=9_999, sequence=2**63, accounts=accounts, recorded_at="2026-01-01T00:00:00.000Z"
    )
    assert len(encode_balances(value)) < ENVELOPE_MAX_BYTES // 2


def test_a_wallet_has_as_many_accounts_as_its_balances_may_hold() -> None:
    world = World(2)
    codes = sorted(ISO_4217)
    assert world.submit(open_wallet(WALLET, *codes[:50]))["code"] == "ok"
    names = [f"s{number}" for number in range(1, MAX_ACCOUNTS // 50)]
    for name in names:
        assert world.submit(command("open_sub_wallet", WALLET, sub_wallet=name, kind="savings"))["code"] == "ok"
    for asked, field in (
        (command("open_sub_wallet", WALLET, sub_wallet="more", kind="savings"), "sub_wallet"),
        (command("enable_asset", WALLET, asset=codes[50]), "asset"),
    ):
        answer = world.submit(asked)
        assert (answer["code"], answer["field"]) == ("limit_exceeded", field)
        assert answer["message"] == "a wallet has at most 1,000 accounts, its sub-wallets times its assets"
    assert world.submit(command("enable_asset", WALLET, asset=codes[0]))["code"] == "ok"
    assert world.submit(credit(WALLET, 5, codes[49], sub_wallet=names[-1]))["code"] == "ok"
    audit(world)


def test_a_reference_is_json_with_the_key_only_where_it_is_left_out() -> None:
    world = opened()
    put(world, b"\xff" * (3 * MIB))
    read = json.loads(world.dead_letters[0].value or b"")
    assert set(read) == {"topic", "partition", "offset", "size_bytes", "sha256", "head"}
    assert b64decode(read["head"]) == b"\xff" * REFERENCE_HEAD_BYTES
