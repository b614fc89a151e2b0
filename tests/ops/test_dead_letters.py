"""Dead letters, and what may be done about them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ops.dead_letters import DISCARDED, REPLAYED, DeadLetter, collect, replay_of, resolution_headers, why_not_discarded
from ops.errors import OperationError
from schemas.dead_letters import DeadLetterHeaders, OversizedReference, encode_reference
from schemas.events import Counterparty, Source
from schemas.internal import ForwardedRecord, TransferLeg, encode_internal
from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_REQUESTS
from tests.ops.verify.story import story

FORWARDED = ForwardedRecord(
    source=Source(TRANSACTION_REQUESTS, 6, 41),
    key="w-abc",
    value='{"a":1}',
    headers=(("ce_id", b"7"), ("x", b"\xff"), ("y", None)),
)


class Given(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    offset: int = 5
    partition: int = 3
    timestamp: int = 1_795_409_400_123
    timestamp_type: int = 1
    topic: str = "wallet.dead-letters.v1"


def _letter(
    value: bytes | None = b"not json",
    *,
    key: bytes | None = b"w1",
    topic: str = TRANSACTION_REQUESTS,
    reason: str = "malformed",
    own: tuple[tuple[str, bytes], ...] = (),
) -> Given:
    ours = DeadLetterHeaders(
        reason=reason,
        stage="decode",
        original_topic=topic,
        original_partition=1,
        original_offset=77,
        original_timestamp=1_795_409_400_000,
        app_version="0.1.0",
    )
    return Given(key, value, (*own, *ours.encode()))


def _resolved(letter: DeadLetter, what: str, by: str = "ines", offset: int = 9) -> Given:
    headers = tuple((name, value or b"") for name, value in resolution_headers(letter, what, by, "looked at"))
    return Given(letter.key, None, headers, offset)


def _owner(wallet_id: str) -> int:
    return len(wallet_id)


def test_a_dead_letter_is_the_record_as_it_was() -> None:
    own = (("ce_id", b"1"), ("dlq.reason", b"forged"), ("ce_id", b"2"))
    (letter,) = collect([_letter(own=own)])
    assert (letter.id, letter.state, letter.key, letter.value) == ("3/5", "open", b"w1", b"not json")
    assert (letter.why.reason, letter.source) == ("malformed", Source(TRANSACTION_REQUESTS, 1, 77))
    again = replay_of(letter, _owner)
    assert again == (TRANSACTION_REQUESTS, 1, b"w1", b"not json", own)


def test_a_producer_cannot_resolve_dead_letters_with_headers_of_its_own() -> None:
    victim = _letter()
    own = (("dlq.resolution", b"discarded"), ("dlq.resolves-offset", b"5"), ("dlq.resolved-by", b"ines"))
    hostile = _letter(own=own)._replace(offset=7)
    letters = collect([victim, hostile])
    assert [(letter.id, letter.state) for letter in letters] == [("3/5", "open"), ("3/7", "open")]
    assert replay_of(letters[1], _owner).headers == own


def test_dead_letters_of_the_ledger_are_understood() -> None:
    records = [record for part in story().topics["dead-letters"] for record in part]
    given = [Given(r.key, r.value, tuple((n, v or b"") for n, v in r.headers), i) for i, r in enumerate(records)]
    letters = collect(given)
    assert len(letters) == len(records) > 2
    assert {letter.why.reason for letter in letters} == {"malformed", "internal_error"}


def test_the_first_resolution_stands() -> None:
    given = _letter()
    (letter,) = collect([given])
    later = [_resolved(letter, DISCARDED), _resolved(letter, REPLAYED, "omar", 12)]
    (letter,) = collect([given, *later])
    assert letter.state == DISCARDED
    assert letter.resolution is not None
    assert (letter.resolution.by, letter.resolution.note, letter.resolution.offset) == ("ines", "looked at", 9)
    assert letter.as_json()["resolution"]["what"] == "discarded"


def test_what_is_no_dead_letter_is_left_out() -> None:
    (letter,) = collect([_letter()])
    strangers = [Given(b"k", b"v", ()), Given(b"k", b"v", (("dlq.reason", b"x"),)), _resolved(letter, REPLAYED)]
    assert collect(strangers) == []


def test_a_forwarded_record_is_sent_to_the_input_it_was_meant_for() -> None:
    (letter,) = collect([_letter(encode_internal(FORWARDED), topic=INTERNAL_COMMANDS)])
    assert replay_of(letter, _owner) == (TRANSACTION_REQUESTS, 5, b"w-abc", b'{"a":1}', FORWARDED.headers)
    assert why_not_discarded(letter, parked=False) is None


def test_a_reference_cannot_be_sent_again() -> None:
    reference = OversizedReference(
        topic=TRANSACTION_REQUESTS, partition=1, offset=77, size_bytes=9, sha256="0" * 64, head=b"abc"
    )
    (letter,) = collect([_letter(encode_reference(reference), reason="oversized")])
    assert letter.reference == reference
    with pytest.raises(OperationError, match=r"3/5: only a reference was kept.*transaction-requests/1 offset 77"):
        replay_of(letter, _owner)


@pytest.mark.parametrize(
    ("topic", "head", "discarded"),
    [
        pytest.param(TRANSACTION_REQUESTS, b"abc", True, id="request"),
        pytest.param(INTERNAL_COMMANDS, encode_internal(FORWARDED), True, id="forwarded request"),
        pytest.param(INTERNAL_COMMANDS, b'{"operation":"transfer_credit",', False, id="leg"),
        pytest.param(INTERNAL_COMMANDS, b"\xff", False, id="nobody knows"),
        pytest.param(INTERNAL_COMMANDS, None, False, id="reference that cannot be read"),
    ],
)
def test_a_reference_to_what_may_be_money_under_way_is_not_discarded(
    topic: str, head: bytes | None, discarded: bool
) -> None:
    reference = OversizedReference(
        topic=topic, partition=1, offset=77, size_bytes=9, sha256="0" * 64, head=head or b"", key_size_bytes=70_000
    )
    value = b"?" if head is None else encode_reference(reference)
    (letter,) = collect([_letter(value, topic=topic, reason="oversized")])
    why = why_not_discarded(letter, parked=False)
    if discarded:
        assert why is None
    else:
        assert "only a reference was kept, and money of a transfer may be on its way" in (why or "")


def test_nothing_at_all_cannot_be_sent_again() -> None:
    (letter,) = collect([_letter(None, key=None)])
    with pytest.raises(OperationError, match="neither key nor value"):
        replay_of(letter, _owner)


def test_what_the_ledger_owes_is_not_discarded() -> None:
    leg = TransferLeg(
        transaction_id="0" * 32,
        wallet_id="w1",
        sub_wallet="main",
        amount_minor=1,
        asset="EUR",
        payer=Counterparty("w2", "main"),
    )
    (letter,) = collect([_letter(encode_internal(leg), topic=INTERNAL_COMMANDS)])
    assert "on its way" in (why_not_discarded(letter, parked=False) or "")
    assert replay_of(letter, _owner).topic == INTERNAL_COMMANDS
    (letter,) = collect([_letter()])
    assert "parked" in (why_not_discarded(letter, parked=True) or "")
    assert why_not_discarded(letter, parked=False) is None


@pytest.mark.parametrize("offset", ["²", "٣", "9" * 5_000, "-1", "7.0", ""], ids=range(6))
def test_a_resolution_of_no_offset_resolves_nothing(offset: str) -> None:
    """Whoever may write to `dead-letters` must not keep everybody else from reading it."""
    headers = (("dlq.resolution", b"discarded"), ("dlq.resolves-offset", offset.encode()))
    (letter,) = collect([_letter(), Given(b"w1", None, headers, 9)])
    assert letter.state == "open"
